use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::embedded::clock::millis;
use crate::embedded::job::{Hold, Job, internal, write};
use crate::embedded::queue::Queue;
use crate::embedded::topics::Topics;
use crate::job::{
    CLAIM_LIMIT, Claim, DEAD_RETENTION, JobDraft, JobError, JobId, JobRecord, JobState, Lease, OWNED,
    Planned, QueuePolicy, Queues, Submitted, Token,
};
use crate::json::RawJson;
use crate::name::{QueueName, ScheduleName, UserId, WorkerId};
use crate::topic::Topic;

/// All jobs and their queues. Each transition is one method, here or in `attempt.rs` and `turns.rs`; it writes the record to both logs
/// ([`Jobs::commit`]) before it changes anything else, and nothing if that fails.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) by_id: HashMap<JobId, Job>,
    pub(super) queues: HashMap<QueueName, Queue>,
    /// Jobs that have ended, by the time to forget them.
    pub(super) ended: BTreeSet<(u64, JobId)>,
    policies: Queues,
    pub(super) schedules: BTreeMap<ScheduleName, Planned>,
    /// The jobs of each user that have not ended.
    owned: HashMap<UserId, BTreeSet<JobId>>,
}

impl Jobs {
    pub(super) fn new(policies: Queues) -> Self {
        Self {
            policies,
            ..Self::default()
        }
    }

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
            && let Some(job) = self.live(topics, &id, now).filter(|job| now < job.key_until)
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

        let policy = self.policy(&draft.id);
        let run_at = (!draft.delay.is_zero()).then(|| now.saturating_add(millis(draft.delay).max(1)));
        let record = JobRecord {
            id: draft.id.clone(),
            kind: draft.kind,
            queue: name.clone(),
            state: if run_at.is_some() {
                JobState::Scheduled
            } else {
                JobState::Queued
            },
            attempt: 0,
            percent: None,
            message: None,
            progress: None,
            result: None,
            error: None,
            timeout_ms: draft.timeout.map(|timeout| millis(timeout).max(1)),
            max_attempts: draft.max_attempts.unwrap_or(policy.max_attempts).max(1),
            concurrency: draft.concurrency,
            user: draft.user,
            created_at: now,
            started_at: None,
            finished_at: None,
            run_at,
            cancelling: false,
            dead_letter: false,
            traceparent: draft.trace.map(|trace| trace.to_string()),
        };
        let (position, snapshot) = write(topics, &record, now)?;
        topics.hold(&Topic::of_job(&draft.id));
        let queue = self.queues.entry(name).or_default();
        queue.jobs += 1;
        match run_at {
            Some(time) => queue.defer(time, draft.id.clone()),
            None => queue.push(draft.priority, now, draft.id.clone()),
        }
        if let Some(key) = &draft.key {
            queue.keys.insert(key.clone(), draft.id.clone());
        }
        let job = Job {
            record: record.clone(),
            snapshot,
            data: draft.data,
            key: draft.key,
            priority: draft.priority,
            waiting_since: now,
            hold: Hold::Nobody,
            lease_until: 0,
            until: u64::MAX,
            stalls: 0,
            worker: None,
            history: VecDeque::new(),
            checkpoint: None,
            key_until: u64::MAX,
            forget_at: None,
        };
        if let Some(user) = &record.user {
            self.own(user.clone(), draft.id.clone());
        }
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

    pub(super) fn has_work(&self, queues: &[QueueName], now: u64) -> bool {
        queues.iter().any(|name| self.room(name, now).0 > 0)
    }

    /// How many jobs of a queue can be claimed now, and when one can, if none can because of its rate.
    pub(super) fn room(&self, name: &QueueName, now: u64) -> (usize, Option<u64>) {
        let policy = self.policies.of(name.as_str());
        let queue = self.queues.get(name);
        queue.map_or((0, None), |queue| queue.room(policy, now))
    }

    pub(super) fn claim(
        &mut self,
        topics: &mut Topics,
        name: &QueueName,
        worker: &WorkerId,
        (limit, lease): (usize, Duration),
        now: u64,
    ) -> Result<Vec<Claim>, JobError> {
        let mut claims = Vec::new();
        let most = limit.min(CLAIM_LIMIT).min(self.room(name, now).0);
        let policy = Arc::clone(self.policies.of(name.as_str()));
        while claims.len() < most {
            let Some((rank, id)) = self.queues.get_mut(name).and_then(Queue::pop) else {
                break;
            };
            let concurrency = self.by_id.get(&id).and_then(|job| job.record.concurrency.clone());
            if let Some(queue) = self.queues.get_mut(name)
                && let Some(concurrency) = &concurrency
                && !queue.flow.may_begin(Some(concurrency))
            {
                queue.flow.park(concurrency, (rank, id));
                continue;
            }
            let record = self.begin(topics, &id, now)?;
            let (Some(job), Some(queue)) = (self.by_id.get_mut(&id), self.queues.get_mut(name)) else {
                continue;
            };
            queue.flow.begin(&policy, concurrency.as_ref(), now);
            let token = Token::random();
            job.hold = Hold::By(token);
            job.worker = Some(worker.clone());
            job.until = record
                .timeout_ms
                .map_or(u64::MAX, |timeout| now.saturating_add(timeout));
            job.lease_until = now.saturating_add(millis(lease)).min(job.until);
            queue.hold(job.lease_until, id.clone());
            claims.push(Claim {
                lease: Lease { job: id, token },
                record,
                data: job.data.clone(),
                checkpoint: job.checkpoint.clone(),
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
        let counts = u32::from(job.hold != Hold::Released);
        let record = JobRecord {
            state: JobState::Running,
            attempt: job.record.attempt.saturating_add(counts),
            percent: None,
            message: None,
            progress: None,
            error: None,
            started_at: Some(now),
            ..job.record.clone()
        };
        self.commit(topics, record.clone(), now)?;
        Ok(record)
    }

    /// Makes a job's new record the one that counts, in both logs too.
    pub(super) fn commit(
        &mut self,
        topics: &mut Topics,
        record: JobRecord,
        now: u64,
    ) -> Result<(), JobError> {
        let (_, snapshot) = write(topics, &record, now)?;
        if let Some(job) = self.by_id.get_mut(&record.id) {
            job.snapshot = snapshot;
            job.record = record;
        }
        Ok(())
    }

    /// A job and its queue.
    pub(super) fn both(&mut self, id: &JobId) -> Option<(&mut Job, &mut Queue)> {
        let job = self.by_id.get_mut(id)?;
        let queue = self.queues.get_mut(&job.record.queue)?;
        Some((job, queue))
    }

    /// Writes the one terminal entry of a job, whatever it was doing.
    pub(super) fn end(
        &mut self,
        topics: &mut Topics,
        record: JobRecord,
        hold: Hold,
        now: u64,
    ) -> Result<(), JobError> {
        let id = record.id.clone();
        let record = JobRecord {
            finished_at: Some(now),
            run_at: None,
            cancelling: false,
            dead_letter: record.state == JobState::Failed,
            ..record
        };
        let (state, user) = (record.state, record.user.clone());
        let ran = self
            .by_id
            .get(&id)
            .is_some_and(|job| job.record.state == JobState::Running);
        self.commit(topics, record, now)?;
        if ran {
            self.stop(&id);
        }
        if let Some(user) = user {
            self.disown(&user, &id);
        }
        let retention = self.policy(&id).retention;
        let dead = state == JobState::Failed;
        let keep = if dead {
            retention.max(DEAD_RETENTION)
        } else {
            retention
        };
        let forget_at = now.saturating_add(millis(keep));
        if let Some((job, queue)) = self.both(&id) {
            queue.let_go(job.lease_until, &id);
            queue.put_away(state, now, id.clone());
            job.key_until = now.saturating_add(millis(retention));
            job.hold = hold;
            job.forget_at = Some(forget_at);
        }
        self.ended.insert((forget_at, id));
        Ok(())
    }

    /// Makes room for others when a job stops to run.
    pub(super) fn stop(&mut self, id: &JobId) {
        if let Some((job, queue)) = self.both(id) {
            queue.stop(job.record.concurrency.as_ref());
        }
    }

    pub(super) fn own(&mut self, user: UserId, id: JobId) {
        let owned = self.owned.entry(user).or_default();
        owned.insert(id);
        while owned.len() > OWNED {
            owned.pop_first();
        }
    }

    fn disown(&mut self, user: &UserId, id: &JobId) {
        if let Some(owned) = self.owned.get_mut(user) {
            owned.remove(id);
            if owned.is_empty() {
                self.owned.remove(user);
            }
        }
    }

    /// The user's jobs that have not ended, the newest last.
    pub(super) fn owned(&self, user: &UserId) -> impl DoubleEndedIterator<Item = &JobId> {
        self.owned.get(user).into_iter().flatten()
    }

    pub(super) fn policy(&self, id: &JobId) -> Arc<QueuePolicy> {
        Arc::clone(self.policies.of(id.queue()))
    }

    /// A job that is still known; what should have been forgotten by now is forgotten first.
    fn live(&mut self, topics: &mut Topics, id: &JobId, now: u64) -> Option<&Job> {
        if self.by_id.get(id)?.is_over(now) {
            self.forget(topics, id, now);
        }
        self.by_id.get(id)
    }

    pub(super) fn forget(&mut self, topics: &mut Topics, id: &JobId, now: u64) {
        let Some(job) = self.by_id.remove(id) else {
            return;
        };
        topics.drop_held(&Topic::of_job(id), now);
        let Some(queue) = self.queues.get_mut(&job.record.queue) else {
            return;
        };
        if let Some(key) = &job.key
            && queue.keys.get(key) == Some(id)
        {
            queue.keys.remove(key);
        }
        if let Some(ended) = job.record.finished_at {
            queue.take_from(job.record.state, ended, id);
        }
        queue.jobs -= 1;
        if queue.jobs == 0 && !queue.paused {
            self.queues.remove(&job.record.queue);
        }
    }

    /// Forgets up to `limit` jobs that ended long ago.
    pub(super) fn sweep(&mut self, topics: &mut Topics, now: u64, limit: usize) {
        for _ in 0..limit {
            match self.ended.first() {
                Some((time, _)) if *time <= now => {}
                _ => return,
            }
            if let Some((_, id)) = self.ended.pop_first() {
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
