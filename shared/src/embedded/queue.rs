use std::collections::{BTreeSet, HashMap};

use crate::embedded::clock::millis;
use crate::job::{AGING, JobId, Priority};
use crate::name::IdempotencyKey;

/// The jobs of one queue by what they wait for. The jobs themselves are elsewhere.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Can be claimed, by rank.
    ready: BTreeSet<(i64, JobId)>,
    /// Wait for a time, by that.
    due: BTreeSet<(u64, JobId)>,
    /// Running, by the time their lease runs out.
    leases: BTreeSet<(u64, JobId)>,
    /// The idempotency keys of all its jobs.
    pub(super) keys: HashMap<IdempotencyKey, JobId>,
    /// All its jobs, in whatever state; without any it is forgotten.
    pub(super) jobs: usize,
}

/// The lowest is claimed first: the time waited since, less some for each step of priority.
fn rank(since: u64, priority: Priority) -> i64 {
    let bonus = i64::try_from(millis(AGING)).unwrap_or_default() * i64::from(priority.get());
    i64::try_from(since).unwrap_or(i64::MAX) - bonus
}

impl Queue {
    pub(super) fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn push(&mut self, priority: Priority, since: u64, job: JobId) {
        self.ready.insert((rank(since, priority), job));
    }

    /// The job that is next.
    pub(super) fn pop(&mut self) -> Option<JobId> {
        self.ready.pop_first().map(|(_, job)| job)
    }

    /// Takes out a job that has waited since a time.
    pub(super) fn take_out(&mut self, priority: Priority, since: u64, job: &JobId) {
        self.ready.remove(&(rank(since, priority), job.clone()));
    }

    pub(super) fn defer(&mut self, until: u64, job: JobId) {
        self.due.insert((until, job));
    }

    pub(super) fn undefer(&mut self, until: u64, job: &JobId) {
        self.due.remove(&(until, job.clone()));
    }

    /// Up to `limit` jobs whose time has come, the earliest first.
    pub(super) fn come(&self, now: u64, limit: usize) -> Vec<JobId> {
        until(&self.due, now, limit)
    }

    /// When the next job is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(time, _)| *time)
    }

    pub(super) fn hold(&mut self, until: u64, job: JobId) {
        self.leases.insert((until, job));
    }

    pub(super) fn let_go(&mut self, until: u64, job: &JobId) {
        self.leases.remove(&(until, job.clone()));
    }

    /// Up to `limit` jobs whose lease has run out, longest first.
    pub(super) fn run_out(&self, now: u64, limit: usize) -> Vec<JobId> {
        until(&self.leases, now, limit)
    }
}

fn until(times: &BTreeSet<(u64, JobId)>, now: u64, limit: usize) -> Vec<JobId> {
    times
        .iter()
        .take_while(|(time, _)| *time <= now)
        .take(limit)
        .map(|(_, job)| job.clone())
        .collect()
}
