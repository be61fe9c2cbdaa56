//! [`JobDesk`] in memory.

use std::time::Duration;

use async_trait::async_trait;

use crate::embedded::Store;
use crate::embedded::clock::millis;
use crate::embedded::job::Hold;
use crate::embedded::jobs::Jobs;
use crate::embedded::queue::Queue;
use crate::embedded::state::State;
use crate::embedded::topics::Topics;
use crate::job::{
    Attempted, JobDesk, JobError, JobId, JobRecord, JobState, LISTED, Place, QueueInfo, SHELF_LIMIT, Shelf,
};
use crate::name::{QueueName, UserId};

impl Jobs {
    fn depths(&self, now: u64) -> Vec<QueueInfo> {
        let mut queues: Vec<QueueInfo> = self
            .queues
            .iter()
            .map(|(name, queue)| self.depth(name, queue, now))
            .collect();
        queues.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        queues
    }

    fn depth(&self, name: &QueueName, queue: &Queue, now: u64) -> QueueInfo {
        let number = |state: JobState| u64::try_from(queue.depth(state)).unwrap_or(u64::MAX);
        let waiting = |state: JobState| {
            let jobs = queue.shelf(state).filter_map(|place| self.at(&place));
            u64::try_from(jobs.filter(|job| job.state == state).count()).unwrap_or(u64::MAX)
        };
        let since = queue.next_since(|id| Some(self.by_id.get(id)?.priority));
        QueueInfo {
            name: name.clone(),
            paused: queue.paused,
            queued: number(JobState::Queued),
            scheduled: waiting(JobState::Scheduled),
            retrying: waiting(JobState::Retrying),
            running: number(JobState::Running),
            dead: number(JobState::Failed),
            oldest_ms: since.map(|since| now.saturating_sub(since)),
        }
    }

    fn at(&self, place: &Place) -> Option<&JobRecord> {
        let id = JobId::parse(&place.id).ok()?;
        Some(&self.by_id.get(&id)?.record)
    }

    fn shelf(
        &self,
        queue: &QueueName,
        state: JobState,
        after: Option<&Place>,
        limit: usize,
        now: u64,
    ) -> Shelf {
        let limit = limit.min(SHELF_LIMIT);
        let Some(queue) = self.queues.get(queue) else {
            return Shelf {
                jobs: Vec::new(),
                next: None,
            };
        };
        let listed = if state.is_terminal() { LISTED } else { usize::MAX };
        let places = queue.shelf(state).take(listed);
        let mut found = places
            .filter(|place| after.is_none_or(|after| place < after))
            .filter(|place| self.at(place).is_some_and(|record| record.state == state))
            .peekable();
        let (mut jobs, mut last) = (Vec::new(), None);
        while jobs.len() < limit
            && let Some(place) = found.next()
        {
            let id = JobId::parse(&place.id).ok();
            jobs.extend(id.and_then(|id| self.get(&id, now).ok()));
            last = Some(place);
        }
        let more = found.peek().is_some();
        Shelf {
            jobs,
            next: last.or(after.cloned()).filter(|_| more),
        }
    }

    fn attempts(&self, id: &JobId, now: u64) -> Result<Vec<Attempted>, JobError> {
        let record = self.get(id, now)?;
        let job = self.by_id.get(id).ok_or_else(|| JobError::NotFound(id.clone()))?;
        let over = job.history.iter().cloned().collect();
        Ok(Attempted::all(over, &record, job.worker.clone()))
    }

    fn redrive(&mut self, topics: &mut Topics, id: &JobId, now: u64) -> Result<JobRecord, JobError> {
        let dead = self.get(id, now)?;
        if dead.state != JobState::Failed {
            return Err(JobError::NotDead(id.clone()));
        }
        let ended = dead.finished_at.unwrap_or_default();
        let record = JobRecord {
            state: JobState::Queued,
            attempt: 0,
            percent: None,
            message: None,
            progress: None,
            error: None,
            finished_at: None,
            dead_letter: false,
            ..dead
        };
        self.commit(topics, record.clone(), now)?;
        let mut forget_at = None;
        if let Some((job, queue)) = self.both(id) {
            queue.take_from(JobState::Failed, ended, id);
            queue.push(job.priority, now, id.clone());
            job.waiting_since = now;
            job.hold = Hold::Nobody;
            job.stalls = 0;
            // A key that is over stays over: another job may have it.
            if now < job.key_until {
                job.key_until = u64::MAX;
            }
            forget_at = job.forget_at.take();
        }
        if let Some(time) = forget_at {
            self.ended.remove(&(time, id.clone()));
        }
        if let Some(user) = record.user.clone() {
            self.own(user, id.clone());
        }
        Ok(record)
    }

    fn purge(
        &mut self,
        topics: &mut Topics,
        name: &QueueName,
        (ended, ago): (JobState, Duration),
        now: u64,
    ) -> usize {
        let before = now.saturating_sub(millis(ago));
        let queue = self.queues.get(name);
        let ids = queue
            .map(|queue| queue.ended_before(ended, before, SHELF_LIMIT))
            .unwrap_or_default();
        for id in &ids {
            if let Some(time) = self.by_id.get(id).and_then(|job| job.forget_at) {
                self.ended.remove(&(time, id.clone()));
            }
            self.forget(topics, id, now);
        }
        ids.len()
    }

    fn set_paused(&mut self, name: &QueueName, paused: bool) {
        if paused {
            self.queues.entry(name.clone()).or_default().paused = true;
        } else if let Some(queue) = self.queues.get_mut(name) {
            queue.paused = false;
            if queue.jobs == 0 {
                self.queues.remove(name);
            }
        }
    }
}

#[async_trait]
impl JobDesk for Store {
    async fn queues(&self) -> Result<Vec<QueueInfo>, JobError> {
        Ok(self.step(|state, now| state.jobs.depths(now)))
    }

    async fn shelf(
        &self,
        queue: &QueueName,
        state: JobState,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Shelf, JobError> {
        Ok(self.step(|all, now| all.jobs.shelf(queue, state, after, limit, now)))
    }

    async fn attempts(&self, id: &JobId) -> Result<Vec<Attempted>, JobError> {
        self.step(|state, now| state.jobs.attempts(id, now))
    }

    async fn pause(&self, queue: &QueueName) -> Result<(), JobError> {
        self.step(|state, _| state.jobs.set_paused(queue, true));
        Ok(())
    }

    async fn resume(&self, queue: &QueueName) -> Result<(), JobError> {
        self.step(|state, _| state.jobs.set_paused(queue, false));
        self.work.notify_waiters();
        Ok(())
    }

    async fn redrive(&self, id: &JobId) -> Result<JobRecord, JobError> {
        let record = self.step(|State { topics, jobs }, now| jobs.redrive(topics, id, now))?;
        self.work.notify_waiters();
        Ok(record)
    }

    async fn purge(&self, queue: &QueueName, ended: JobState, ago: Duration) -> Result<usize, JobError> {
        Ok(self.step(|State { topics, jobs }, now| jobs.purge(topics, queue, (ended, ago), now)))
    }

    async fn of_user(&self, user: &UserId) -> Result<Vec<JobRecord>, JobError> {
        Ok(self.step(|state, now| {
            let ids = state.jobs.owned(user).rev().take(SHELF_LIMIT);
            ids.filter_map(|id| state.jobs.get(id, now).ok()).collect()
        }))
    }
}
