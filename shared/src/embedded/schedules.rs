//! [`Schedules`] in memory.

use std::time::Duration;

use async_trait::async_trait;

use crate::embedded::Store;
use crate::embedded::jobs::Jobs;
use crate::embedded::state::State;
use crate::embedded::topics::Topics;
use crate::job::{Fired, JobError, Planned, SCHEDULES, Schedule, Schedules};
use crate::name::{QueueName, ScheduleName};

impl Jobs {
    fn put_schedule(&mut self, schedule: Schedule, now: u64) -> Result<Planned, JobError> {
        let old = self.schedules.get(&schedule.name);
        if old.is_none() && self.schedules.len() >= SCHEDULES {
            return Err(JobError::TooMany {
                what: "schedules",
                limit: SCHEDULES,
            });
        }
        let next_at = match old {
            Some(old) if old.schedule.timing == schedule.timing => old.next_at,
            _ => schedule.timing.next_after(now),
        };
        let planned = Planned { schedule, next_at };
        self.schedules
            .insert(planned.schedule.name.clone(), planned.clone());
        Ok(planned)
    }

    fn fire(&mut self, topics: &mut Topics, queue: &QueueName, now: u64) -> Result<Fired, JobError> {
        let of_queue = |planned: &&Planned| planned.schedule.job.queue == *queue;
        let due: Vec<Planned> = self
            .schedules
            .values()
            .filter(of_queue)
            .filter(|planned| planned.next_at.is_some_and(|at| at <= now))
            .cloned()
            .collect();
        let mut jobs = 0;
        for Planned { schedule, next_at } in due {
            let due = schedule.due(next_at.unwrap_or(now), now);
            for tick in due.ticks {
                let submitted = self.submit(topics, schedule.draft(tick), now)?;
                jobs += usize::from(!submitted.duplicate);
            }
            if let Some(planned) = self.schedules.get_mut(&schedule.name) {
                planned.next_at = due.next;
            }
        }
        let next = self
            .schedules
            .values()
            .filter(of_queue)
            .filter_map(|one| one.next_at);
        Ok(Fired {
            jobs,
            next: next.min().map(|at| Duration::from_millis(at.saturating_sub(now))),
        })
    }
}

#[async_trait]
impl Schedules for Store {
    async fn put(&self, schedule: Schedule) -> Result<Planned, JobError> {
        self.step(|state, now| state.jobs.put_schedule(schedule, now))
    }

    async fn list(&self) -> Result<Vec<Planned>, JobError> {
        Ok(self.step(|state, _| state.jobs.schedules.values().cloned().collect()))
    }

    async fn remove(&self, name: &ScheduleName) -> Result<bool, JobError> {
        Ok(self.step(|state, _| state.jobs.schedules.remove(name).is_some()))
    }

    async fn fire(&self, queue: &QueueName) -> Result<Fired, JobError> {
        let fired = self.step(|State { topics, jobs }, now| jobs.fire(topics, queue, now))?;
        if fired.jobs > 0 {
            self.work.notify_waiters();
        }
        Ok(fired)
    }
}
