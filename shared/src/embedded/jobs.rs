use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::embedded::clock::millis;
use crate::embedded::job::{Job, internal, write};
use crate::embedded::queue::Queue;
use crate::embedded::topics::Topics;
use crate::job::{
    Beat, CLAIM_LIMIT, Claim, JobDraft, JobError, JobId, JobRecord, JobState, Lease, Progress, RETENTION,
    Submitted, Token,
};
use crate::json::RawJson;
use crate::name::QueueName;
use crate::topic::Topic;

/// Most leases one call takes back.
const RECLAIM_LIMIT: usize = 256;

/// All jobs and their queues. Each transition is one method; it writes the record to both logs
/// ([`Jobs::commit`]) before it changes anything else, and nothing if that fails.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    by_id: HashMap<JobId, Job>,
    queues: HashMap<QueueName, Queue>,
    /// Jobs that have ended, first ended first, with the time to forget them.
    ended: VecDeque<(u64, JobId)>,
}

impl Jobs {
    pub(super) fn submit(
        &mut self,
        topics: &mut Topics,
        draft: JobDraft,
        now: u64,
    ) -> Result<Submitted, JobError> {
        let name = QueueName::parse(draft.id.queue()).map_err(internal)?;
        let keyed = draft
            .key
            .as_ref()
            .and_then(|key| self.queues.get(&name)?.keys.get(key).cloned());
        if let Some(id) = keyed
            && let Some(job) = self.live(topics, &id, now)
        {
            return match draft.key {
                Some(key) if job.record.kind != draft.kind || job.data != draft.data => {
                    Err(JobError::Conflict { key, job: id })
                }
                _ => Ok(job.repeated(topics)),
            };
        }
        if let Some(job) = self.live(topics, &draft.id, now) {
            return Ok(job.repeated(topics));
        }

        let record = JobRecord {
            id: draft.id.clone(),
            kind: draft.kind,
            queue: name.clone(),
            state: JobState::Queued,
            attempt: 0,
            percent: None,
            message: None,
            progress: None,
            result: None,
            error: None,
            user: draft.user,
            created_at: now,
            started_at: None,
            finished_at: None,
        };
        let (position, snapshot) = write(topics, &record, now)?;
        topics.hold(&Topic::of_job(&draft.id));
        let queue = self.queues.entry(name).or_default();
        queue.jobs += 1;
        queue.push(draft.priority, draft.id.clone());
        if let Some(key) = &draft.key {
            queue.keys.insert(key.clone(), draft.id.clone());
        }
        let job = Job {
            record: record.clone(),
            snapshot,
            data: draft.data,
            key: draft.key,
            priority: draft.priority,
            token: None,
            lease_until: 0,
            stalls: 0,
            released: false,
        };
        self.by_id.insert(draft.id, job);
        Ok(Submitted {
            record,
            position,
            duplicate: false,
        })
    }

    pub(super) fn get(&self, id: &JobId, now: u64) -> Result<JobRecord, JobError> {
        match self.by_id.get(id) {
            Some(job) if !job.is_over(now) => Ok(job.record.clone()),
            _ => Err(JobError::NotFound(id.clone())),
        }
    }

    pub(super) fn snapshot(&self, id: &JobId, now: u64) -> Option<RawJson> {
        let job = self.by_id.get(id).filter(|job| !job.is_over(now))?;
        Some(job.snapshot.clone())
    }

    pub(super) fn has_work(&self, queues: &[QueueName]) -> bool {
        queues
            .iter()
            .filter_map(|name| self.queues.get(name))
            .any(Queue::has_work)
    }

    pub(super) fn claim(
        &mut self,
        topics: &mut Topics,
        name: &QueueName,
        limit: usize,
        lease: Duration,
        now: u64,
    ) -> Result<Vec<Claim>, JobError> {
        let mut claims = Vec::new();
        while claims.len() < limit.min(CLAIM_LIMIT) {
            let Some(id) = self.queues.get_mut(name).and_then(Queue::pop) else {
                break;
            };
            let record = self.begin(topics, &id, now)?;
            let (Some(job), Some(queue)) = (self.by_id.get_mut(&id), self.queues.get_mut(name)) else {
                continue;
            };
            let token = Token::random();
            job.token = Some(token);
            job.released = false;
            job.lease_until = now.saturating_add(millis(lease));
            queue.hold(job.lease_until, id.clone());
            claims.push(Claim {
                lease: Lease { job: id, token },
                record,
                data: job.data.clone(),
            });
        }
        Ok(claims)
    }

    /// The record of a job whose next attempt begins.
    fn begin(&mut self, topics: &mut Topics, id: &JobId, now: u64) -> Result<JobRecord, JobError> {
        let job = self
            .by_id
            .get(id)
            .ok_or_else(|| internal("a queued job is gone"))?;
        let counts = u32::from(!job.released);
        let record = JobRecord {
            state: JobState::Running,
            attempt: job.record.attempt.saturating_add(counts),
            percent: None,
            message: None,
            progress: None,
            started_at: Some(now),
            ..job.record.clone()
        };
        self.commit(topics, record.clone(), now)?;
        Ok(record)
    }

    pub(super) fn heartbeat(&mut self, lease: &Lease, time: Duration, now: u64) -> Beat {
        let Ok(job) = self.held(lease) else {
            return Beat::Lost;
        };
        let (old, name) = (job.lease_until, job.record.queue.clone());
        let until = now.saturating_add(millis(time));
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.let_go(old, &lease.job);
            queue.hold(until, lease.job.clone());
        }
        if let Some(job) = self.by_id.get_mut(&lease.job) {
            job.lease_until = until;
        }
        Beat::Extended
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

    pub(super) fn succeed(
        &mut self,
        topics: &mut Topics,
        lease: &Lease,
        result: RawJson,
        now: u64,
    ) -> Result<(), JobError> {
        if self.was_ended_by(lease, JobState::Succeeded) {
            return Ok(());
        }
        let record = JobRecord {
            state: JobState::Succeeded,
            result: Some(result),
            finished_at: Some(now),
            ..self.held(lease)?.record.clone()
        };
        self.end(topics, record, now)
    }

    pub(super) fn fail(
        &mut self,
        topics: &mut Topics,
        lease: &Lease,
        error: &str,
        now: u64,
    ) -> Result<(), JobError> {
        if self.was_ended_by(lease, JobState::Failed) {
            return Ok(());
        }
        let record = JobRecord {
            state: JobState::Failed,
            error: Some(error.to_owned()),
            finished_at: Some(now),
            ..self.held(lease)?.record.clone()
        };
        self.end(topics, record, now)
    }

    pub(super) fn release(&mut self, topics: &mut Topics, lease: &Lease, now: u64) -> Result<(), JobError> {
        let record = self.held(lease)?.record.clone();
        self.requeue(topics, record, now)?;
        if let Some(job) = self.by_id.get_mut(&lease.job) {
            job.released = true;
        }
        Ok(())
    }

    pub(super) fn reclaim(
        &mut self,
        topics: &mut Topics,
        name: &QueueName,
        max_stalls: u32,
        now: u64,
    ) -> Result<usize, JobError> {
        let run_out = self
            .queues
            .get(name)
            .map(|queue| queue.run_out(now, RECLAIM_LIMIT))
            .unwrap_or_default();
        // The longest run out comes last, so that it ends up before the others.
        for id in run_out.iter().rev() {
            let Some(job) = self.by_id.get(id) else {
                continue;
            };
            let stalls = job.stalls.saturating_add(1);
            let mut record = job.record.clone();
            if stalls >= max_stalls {
                record.state = JobState::Failed;
                record.error = Some(format!(
                    "lost its worker {stalls} times, the last in attempt {}",
                    record.attempt
                ));
                record.finished_at = Some(now);
                self.end(topics, record, now)?;
            } else {
                self.requeue(topics, record, now)?;
            }
            if let Some(job) = self.by_id.get_mut(id) {
                job.stalls = stalls;
                // If this ended the job, no worker did: none may repeat the call that would have.
                job.token = None;
            }
        }
        Ok(run_out.len())
    }

    fn requeue(&mut self, topics: &mut Topics, mut record: JobRecord, now: u64) -> Result<(), JobError> {
        let (id, name) = (record.id.clone(), record.queue.clone());
        record.state = JobState::Queued;
        self.commit(topics, record, now)?;
        if let (Some(job), Some(queue)) = (self.by_id.get_mut(&id), self.queues.get_mut(&name)) {
            queue.let_go(job.lease_until, &id);
            queue.put_back(job.priority, id);
            job.token = None;
        }
        Ok(())
    }

    /// Writes the one terminal entry.
    fn end(&mut self, topics: &mut Topics, record: JobRecord, now: u64) -> Result<(), JobError> {
        let (id, name) = (record.id.clone(), record.queue.clone());
        self.commit(topics, record, now)?;
        if let (Some(job), Some(queue)) = (self.by_id.get(&id), self.queues.get_mut(&name)) {
            queue.let_go(job.lease_until, &id);
        }
        self.ended.push_back((now.saturating_add(millis(RETENTION)), id));
        Ok(())
    }

    /// Makes a job's new record the one that counts, in both logs too.
    fn commit(&mut self, topics: &mut Topics, record: JobRecord, now: u64) -> Result<(), JobError> {
        let (_, snapshot) = write(topics, &record, now)?;
        if let Some(job) = self.by_id.get_mut(&record.id) {
            job.snapshot = snapshot;
            job.record = record;
        }
        Ok(())
    }

    fn held(&self, lease: &Lease) -> Result<&Job, JobError> {
        self.by_id
            .get(&lease.job)
            .filter(|job| job.record.state == JobState::Running && job.token == Some(lease.token))
            .ok_or_else(|| JobError::LeaseLost(lease.job.clone()))
    }

    fn was_ended_by(&self, lease: &Lease, state: JobState) -> bool {
        self.by_id
            .get(&lease.job)
            .is_some_and(|job| job.record.state == state && job.token == Some(lease.token))
    }

    /// A job that is still known; what should have been forgotten by now is forgotten first.
    fn live(&mut self, topics: &mut Topics, id: &JobId, now: u64) -> Option<&Job> {
        if self.by_id.get(id)?.is_over(now) {
            self.forget(topics, id, now);
        }
        self.by_id.get(id)
    }

    fn forget(&mut self, topics: &mut Topics, id: &JobId, now: u64) {
        let Some(job) = self.by_id.remove(id) else {
            return;
        };
        topics.drop_held(&Topic::of_job(id), now);
        let Some(queue) = self.queues.get_mut(&job.record.queue) else {
            return;
        };
        if let Some(key) = &job.key {
            queue.keys.remove(key);
        }
        queue.jobs -= 1;
        if queue.jobs == 0 {
            self.queues.remove(&job.record.queue);
        }
    }

    /// Forgets up to `limit` jobs that ended long ago.
    pub(super) fn sweep(&mut self, topics: &mut Topics, now: u64, limit: usize) {
        for _ in 0..limit {
            match self.ended.front() {
                Some((time, _)) if *time <= now => {}
                _ => return,
            }
            if let Some((_, id)) = self.ended.pop_front() {
                self.live(topics, &id, now);
            }
        }
    }

    /// How many jobs and queues are known.
    #[cfg(test)]
    pub(super) fn known(&self) -> (usize, usize) {
        (self.by_id.len(), self.queues.len())
    }
}
