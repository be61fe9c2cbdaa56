//! What the holder of a lease can do with a job.

use std::time::Duration;

use crate::embedded::clock::millis;
use crate::embedded::job::{Call, Hold, Job};
use crate::embedded::jobs::Jobs;
use crate::embedded::topics::Topics;
use crate::job::{Beat, Failure, JobError, JobRecord, JobState, Lease, LogLine, Progress};
use crate::json::RawJson;
use crate::topic::Topic;

impl Jobs {
    pub(super) fn heartbeat(&mut self, lease: &Lease, time: Duration, now: u64) -> Beat {
        let Ok(job) = self.held(lease) else {
            return Beat::Lost;
        };
        let beat = if job.record.cancelling {
            Beat::Cancel
        } else {
            Beat::Extended
        };
        if let Some((job, queue)) = self.both(&lease.job) {
            queue.let_go(job.lease_until, &lease.job);
            job.lease_until = now.saturating_add(millis(time)).min(job.until);
            queue.hold(job.lease_until, lease.job.clone());
        }
        beat
    }

    pub(super) fn progress(
        &mut self,
        topics: &mut Topics,
        lease: &Lease,
        progress: Progress,
        now: u64,
    ) -> Result<(), JobError> {
        let mut record = self.held(lease)?.record.clone();
        record.percent = progress.percent.or(record.percent);
        record.message = progress.message.or(record.message);
        record.progress = progress.detail.or(record.progress);
        self.commit(topics, record, now)
    }

    pub(super) fn log(
        &self,
        topics: &mut Topics,
        lease: &Lease,
        lines: &[LogLine],
        now: u64,
    ) -> Result<(), JobError> {
        self.held(lease)?;
        let topic = Topic::of_job(&lease.job);
        for body in lines.iter().filter_map(LogLine::body) {
            topics.append_of_job(&topic, body, now);
        }
        Ok(())
    }

    pub(super) fn checkpoint(&mut self, lease: &Lease, checkpoint: RawJson) -> Result<(), JobError> {
        self.held(lease)?;
        if let Some(job) = self.by_id.get_mut(&lease.job) {
            job.checkpoint = Some(checkpoint);
        }
        Ok(())
    }

    pub(super) fn succeed(
        &mut self,
        topics: &mut Topics,
        lease: &Lease,
        result: RawJson,
        now: u64,
    ) -> Result<(), JobError> {
        if self.has_done(Call::Succeed, lease).is_some() {
            return Ok(());
        }
        let record = JobRecord {
            state: JobState::Succeeded,
            result: Some(result),
            ..self.held(lease)?.record.clone()
        };
        self.end(topics, record, Hold::Done(Call::Succeed, lease.token), now)
    }

    pub(super) fn fail(
        &mut self,
        topics: &mut Topics,
        lease: &Lease,
        failure: Failure,
        random: f64,
        now: u64,
    ) -> Result<JobState, JobError> {
        if let Some(job) = self.has_done(Call::Fail, lease) {
            let state = job.record.state;
            return Ok(if state.is_terminal() {
                state
            } else {
                JobState::Retrying
            });
        }
        let record = self.held(lease)?.record.clone();
        self.failed(
            topics,
            record,
            failure,
            Hold::Done(Call::Fail, lease.token),
            random,
            now,
        )
    }

    /// What becomes of a job whose attempt has failed.
    pub(super) fn failed(
        &mut self,
        topics: &mut Topics,
        mut record: JobRecord,
        failure: Failure,
        hold: Hold,
        random: f64,
        now: u64,
    ) -> Result<JobState, JobError> {
        if let Some(job) = self.by_id.get_mut(&record.id) {
            job.remember("failed", Some(&failure.message), now);
        }
        record.error = Some(failure.message);
        record.state = if failure.fatal {
            JobState::Failed
        } else if record.cancelling {
            JobState::Cancelled
        } else if record.attempt < record.max_attempts {
            JobState::Retrying
        } else {
            JobState::Failed
        };
        let state = record.state;
        if state.is_terminal() {
            self.end(topics, record, hold, now)?;
            return Ok(state);
        }
        let policy = self.policy(&record.id);
        let doublings = record.attempt.saturating_sub(1).min(31);
        let step = policy
            .retry_base
            .saturating_mul(1 << doublings)
            .min(policy.retry_limit);
        let pause = failure.retry_after.unwrap_or_else(|| step.mul_f64(random));
        let (id, run_at) = (record.id.clone(), now.saturating_add(millis(pause)));
        record.run_at = Some(run_at);
        self.commit(topics, record, now)?;
        self.stop(&id);
        if let Some((job, queue)) = self.both(&id) {
            queue.let_go(job.lease_until, &id);
            queue.defer(run_at, id);
            job.hold = hold;
        }
        Ok(state)
    }

    pub(super) fn cancelled(&mut self, topics: &mut Topics, lease: &Lease, now: u64) -> Result<(), JobError> {
        if self.has_done(Call::Cancel, lease).is_some() {
            return Ok(());
        }
        let record = JobRecord {
            state: JobState::Cancelled,
            ..self.held(lease)?.record.clone()
        };
        self.end(topics, record, Hold::Done(Call::Cancel, lease.token), now)
    }

    pub(super) fn release(&mut self, topics: &mut Topics, lease: &Lease, now: u64) -> Result<(), JobError> {
        let record = self.held(lease)?.record.clone();
        if record.cancelling {
            return self.cancelled(topics, lease, now);
        }
        if let Some(job) = self.by_id.get_mut(&lease.job) {
            job.remember("released", None, now);
        }
        self.put_back(topics, record, Hold::Released, now)
    }

    fn held(&self, lease: &Lease) -> Result<&Job, JobError> {
        self.by_id
            .get(&lease.job)
            .filter(|job| job.hold == Hold::By(lease.token))
            .ok_or_else(|| JobError::LeaseLost(lease.job.clone()))
    }

    /// The job, if this is the attempt that has last done something to it, and what it did.
    fn has_done(&self, call: Call, lease: &Lease) -> Option<&Job> {
        let job = self.by_id.get(&lease.job)?;
        (job.hold == Hold::Done(call, lease.token)).then_some(job)
    }
}
