use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::job::{JobId, Priority};
use crate::name::IdempotencyKey;

const PRIORITIES: usize = Priority::HIGHEST as usize + 1;

/// The jobs of one queue by what they wait for. The jobs themselves are elsewhere.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Can be claimed, first in the list first; one list for each priority.
    ready: [VecDeque<JobId>; PRIORITIES],
    /// Running, by the time their lease runs out.
    leases: BTreeSet<(u64, JobId)>,
    /// The idempotency keys of all its jobs.
    pub(super) keys: HashMap<IdempotencyKey, JobId>,
    /// All its jobs, in whatever state; without any it is forgotten.
    pub(super) jobs: usize,
}

impl Queue {
    pub(super) fn has_work(&self) -> bool {
        self.ready.iter().any(|list| !list.is_empty())
    }

    /// Behind its equals.
    pub(super) fn push(&mut self, priority: Priority, job: JobId) {
        if let Some(list) = self.ready.get_mut(usize::from(priority.get())) {
            list.push_back(job);
        }
    }

    /// Before its equals.
    pub(super) fn put_back(&mut self, priority: Priority, job: JobId) {
        if let Some(list) = self.ready.get_mut(usize::from(priority.get())) {
            list.push_front(job);
        }
    }

    /// The job that is next: highest priority, then first in the list.
    pub(super) fn pop(&mut self) -> Option<JobId> {
        self.ready.iter_mut().rev().find_map(VecDeque::pop_front)
    }

    pub(super) fn hold(&mut self, until: u64, job: JobId) {
        self.leases.insert((until, job));
    }

    pub(super) fn let_go(&mut self, until: u64, job: &JobId) {
        self.leases.remove(&(until, job.clone()));
    }

    /// Up to `limit` jobs whose lease has run out, longest first.
    pub(super) fn run_out(&self, now: u64, limit: usize) -> Vec<JobId> {
        self.leases
            .iter()
            .take_while(|(until, _)| *until <= now)
            .take(limit)
            .map(|(_, job)| job.clone())
            .collect()
    }
}
