use std::collections::{BTreeSet, HashMap};

use crate::embedded::clock::millis;
use crate::embedded::flow::{Flow, Ranked};
use crate::job::{AGING, Concurrency, JobId, JobState, Place, Priority, QueuePolicy};
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
    /// Those that have ended, by state and when that was.
    ended: HashMap<JobState, BTreeSet<(u64, JobId)>>,
    /// No job is to be claimed.
    pub(super) paused: bool,
    /// What keeps queued jobs from running.
    pub(super) flow: Flow,
    /// All its jobs, in whatever state; without any it is forgotten.
    pub(super) jobs: usize,
}

/// The lowest is claimed first: the time waited since, less some for each step of priority.
fn rank(since: u64, priority: Priority) -> i64 {
    let bonus = i64::try_from(millis(AGING)).unwrap_or_default() * i64::from(priority.get());
    i64::try_from(since).unwrap_or(i64::MAX) - bonus
}

impl Queue {
    /// How many jobs can be claimed now, and when one can, if none can because of the queue's rate.
    pub(super) fn room(&self, policy: &QueuePolicy, now: u64) -> (usize, Option<u64>) {
        if self.paused || self.ready.is_empty() {
            return (0, None);
        }
        self.flow.room(policy, self.leases.len(), now)
    }

    pub(super) fn push(&mut self, priority: Priority, since: u64, job: JobId) {
        self.ready.insert((rank(since, priority), job));
    }

    /// The job that is next.
    pub(super) fn pop(&mut self) -> Option<Ranked> {
        self.ready.pop_first()
    }

    /// A job that ran runs no more.
    pub(super) fn stop(&mut self, concurrency: Option<&Concurrency>) {
        let next = concurrency.and_then(|concurrency| self.flow.stop(concurrency));
        self.ready.extend(next);
    }

    /// Takes out a job that has waited since a time.
    pub(super) fn take_out(
        &mut self,
        priority: Priority,
        since: u64,
        (job, concurrency): (&JobId, Option<&Concurrency>),
    ) {
        let ranked = (rank(since, priority), job.clone());
        self.ready.remove(&ranked);
        if let Some(concurrency) = concurrency
            && !self.flow.take_out(concurrency.key(), &ranked)
        {
            // Its turn had come: now it is another's.
            let next = self.flow.next(concurrency.key());
            self.ready.extend(next);
        }
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

    pub(super) fn put_away(&mut self, state: JobState, time: u64, job: JobId) {
        self.ended.entry(state).or_default().insert((time, job));
    }

    pub(super) fn take_from(&mut self, state: JobState, time: u64, job: &JobId) {
        if let Some(list) = self.ended.get_mut(&state) {
            list.remove(&(time, job.clone()));
        }
    }

    /// Up to `limit` jobs that ended so, at that time or before, the earliest first.
    pub(super) fn ended_before(&self, state: JobState, time: u64, limit: usize) -> Vec<JobId> {
        let list = self.ended.get(&state);
        list.map(|list| until(list, time, limit)).unwrap_or_default()
    }

    /// When the rank of the job that is next was counted from, given its priority.
    pub(super) fn next_since(&self, priority: impl Fn(&JobId) -> Option<Priority>) -> Option<u64> {
        let (next, job) = self.ready.first().or_else(|| self.flow.parked().min())?;
        let since = next.saturating_sub(rank(0, priority(job)?));
        u64::try_from(since).ok()
    }

    /// How many jobs are in a state.
    pub(super) fn depth(&self, state: JobState) -> usize {
        match state {
            JobState::Queued => self.ready.len() + self.flow.parked().count(),
            JobState::Running => self.leases.len(),
            JobState::Scheduled | JobState::Retrying => self.due.len(),
            _ => self.ended.get(&state).map_or(0, BTreeSet::len),
        }
    }

    /// Places of jobs in a state, the last first. Those that wait for a time are both in one list.
    pub(super) fn shelf(&self, state: JobState) -> Box<dyn Iterator<Item = Place> + '_> {
        let place = |rank: u64, id: &JobId| Place {
            rank: i64::try_from(rank).unwrap_or(i64::MAX),
            id: id.to_string(),
        };
        match state {
            JobState::Queued => {
                let queued = self.ready.iter().chain(self.flow.parked());
                let mut places: Vec<Place> = queued
                    .map(|(rank, id)| Place {
                        rank: *rank,
                        id: id.to_string(),
                    })
                    .collect();
                places.sort_by(|one, other| other.cmp(one));
                Box::new(places.into_iter())
            }
            JobState::Running => {
                let mut places: Vec<Place> = self.leases.iter().map(|(_, id)| place(0, id)).collect();
                places.sort_by(|one, other| other.cmp(one));
                Box::new(places.into_iter())
            }
            JobState::Scheduled | JobState::Retrying => {
                Box::new(self.due.iter().rev().map(move |(time, id)| place(*time, id)))
            }
            _ => Box::new(
                self.ended
                    .get(&state)
                    .into_iter()
                    .flat_map(|list| list.iter().rev())
                    .map(move |(time, id)| place(*time, id)),
            ),
        }
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
