//! What happens to jobs when their time has come, or when somebody wants them to end.

use std::time::Duration;

use crate::embedded::clock::millis;
use crate::embedded::job::Hold;
use crate::embedded::jobs::Jobs;
use crate::embedded::topics::Topics;
use crate::job::{Failure, JobError, JobId, JobRecord, JobState, Promoted, TIMED_OUT};
use crate::name::QueueName;

/// Most jobs that one call promotes or takes back.
const LIMIT: usize = 256;

impl Jobs {
    pub(super) fn promote(
        &mut self,
        topics: &mut Topics,
        name: &QueueName,
        now: u64,
    ) -> Result<Promoted, JobError> {
        let come = self
            .queues
            .get(name)
            .map(|queue| queue.come(now, LIMIT))
            .unwrap_or_default();
        for id in &come {
            let Some(job) = self.by_id.get(id) else {
                continue;
            };
            let run_at = job.record.run_at.unwrap_or(now);
            let record = JobRecord {
                state: JobState::Queued,
                run_at: None,
                ..job.record.clone()
            };
            self.commit(topics, record, now)?;
            if let Some((job, queue)) = self.both(id) {
                queue.undefer(run_at, id);
                queue.push(job.priority, run_at, id.clone());
                job.waiting_since = run_at;
            }
        }
        let due = self.queues.get(name).and_then(super::queue::Queue::next_due);
        let next = due.into_iter().chain(self.room(name, now).1).min();
        Ok(Promoted {
            jobs: come.len(),
            next: next.map(|time| Duration::from_millis(time.saturating_sub(now))),
        })
    }

    pub(super) fn reclaim(
        &mut self,
        topics: &mut Topics,
        name: &QueueName,
        max_stalls: u32,
        random: f64,
        now: u64,
    ) -> Result<usize, JobError> {
        let run_out = self
            .queues
            .get(name)
            .map(|queue| queue.run_out(now, LIMIT))
            .unwrap_or_default();
        for id in &run_out {
            let Some(job) = self.by_id.get(id) else {
                continue;
            };
            let (record, until, stalls) = (job.record.clone(), job.until, job.stalls.saturating_add(1));
            if record.cancelling {
                self.end(topics, cancelled(record), Hold::Nobody, now)?;
            } else if until <= now {
                let failure = Failure::retryable(TIMED_OUT);
                self.failed(topics, record, failure, Hold::Nobody, random, now)?;
            } else {
                if let Some(job) = self.by_id.get_mut(id) {
                    job.remember("lost", None, now);
                }
                if stalls >= max_stalls {
                    let error = format!("the worker was lost {stalls} times while it ran this job");
                    let record = JobRecord {
                        state: JobState::Failed,
                        error: Some(error),
                        ..record
                    };
                    self.end(topics, record, Hold::Nobody, now)?;
                } else {
                    self.put_back(topics, record, Hold::Nobody, now)?;
                }
                if let Some(job) = self.by_id.get_mut(id) {
                    job.stalls = stalls;
                }
            }
        }
        Ok(run_out.len())
    }

    /// Queues a running job again, before its equals: it has been waiting since it was made.
    pub(super) fn put_back(
        &mut self,
        topics: &mut Topics,
        mut record: JobRecord,
        hold: Hold,
        now: u64,
    ) -> Result<(), JobError> {
        let (id, since) = (record.id.clone(), record.created_at);
        record.state = JobState::Queued;
        self.commit(topics, record, now)?;
        self.stop(&id);
        if let Some((job, queue)) = self.both(&id) {
            queue.let_go(job.lease_until, &id);
            queue.push(job.priority, since, id);
            job.waiting_since = since;
            job.hold = hold;
        }
        Ok(())
    }

    pub(super) fn cancel(
        &mut self,
        topics: &mut Topics,
        id: &JobId,
        now: u64,
    ) -> Result<JobRecord, JobError> {
        let mut record = self.get(id, now)?;
        if record.state.is_terminal() || record.cancelling {
            return Ok(record);
        }
        if record.state == JobState::Running {
            record.cancelling = true;
            self.commit(topics, record, now)?;
            let until = now.saturating_add(millis(self.policy(id).cancel_grace));
            if let Some((job, queue)) = self.both(id) {
                queue.let_go(job.lease_until, id);
                job.until = job.until.min(until);
                job.lease_until = job.lease_until.min(job.until);
                queue.hold(job.lease_until, id.clone());
            }
            return self.get(id, now);
        }
        let run_at = record.run_at;
        self.end(topics, cancelled(record), Hold::Nobody, now)?;
        if let Some((job, queue)) = self.both(id) {
            if let Some(time) = run_at {
                queue.undefer(time, id);
            } else {
                let job_and_key = (id, job.record.concurrency.as_ref());
                queue.take_out(job.priority, job.waiting_since, job_and_key);
            }
        }
        self.get(id, now)
    }
}

fn cancelled(record: JobRecord) -> JobRecord {
    JobRecord {
        state: JobState::Cancelled,
        ..record
    }
}
