//! The job queue on Redis: each method is one script, or two where the first only found out which job
//! is meant.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fred::types::Value;
use parking_lot::Mutex;

use super::beats;
use super::broker::{log_arguments, milliseconds, text};
use super::commands::{CallError, Commands};
use super::keys::{Bell, Keys};
use super::scripts::Script;
use super::spelling::{
    check_size, count, failing, failing_until, held, job_id, json, limited, record, report, room, shorten,
    tag, tags,
};
use super::together::{Frame, Together};
use super::wake::{Outlook, Wakers};
use crate::job::{
    Beat, CHECKPOINT_LIMIT, CLAIM_LIMIT, Claim, DETAIL_LIMIT, Failure, JobDraft, JobError, JobId, JobQueue,
    JobRecord, JobState, Lease, LogLine, Progress, Promoted, QueuePolicy, RESULT_LIMIT, Submitted, TIMED_OUT,
    Token,
};
use crate::json::RawJson;
use crate::name::{QueueName, WorkerId};
use crate::namespace::Namespaces;
use crate::topic::Topic;

/// Most jobs one script looks at.
const BATCH: usize = 256;
/// Most log lines one script appends.
const LINES: usize = 64;

pub(super) struct RedisQueue {
    pub(super) commands: Arc<Commands>,
    wakers: Arc<Wakers>,
    pub(super) keys: Keys,
    pub(super) namespaces: Namespaces,
    /// Submits, claims, reports and ends.
    pub(super) together: Arc<Together>,
    /// Queues that are on the list of queues, and until when they need not be put there again.
    pub(super) registered: Mutex<HashMap<QueueName, Instant>>,
    _closer: super::Closer,
}

impl RedisQueue {
    pub(super) fn new(
        commands: Arc<Commands>,
        wakers: Arc<Wakers>,
        keys: Keys,
        namespaces: Namespaces,
        closer: super::Closer,
    ) -> Self {
        Self {
            together: Together::new(commands.clone()),
            commands,
            wakers,
            keys,
            namespaces,
            registered: Mutex::default(),
            _closer: closer,
        }
    }

    /// A script that changes one job, with as many of the queue's keys as it needs. `further` come after
    /// the arguments that all have.
    pub(super) async fn write(
        &self,
        script: Script,
        (job, keys): (&JobId, usize),
        further: impl IntoIterator<Item = Value>,
    ) -> Result<Value, JobError> {
        let slot = self.keys.of_job(job);
        let mut arguments = log_arguments(self.namespaces.of(&Topic::of_job(job)));
        arguments.extend(further);
        Ok(self
            .commands
            .run(script, &slot.tag, slot.first(keys), arguments)
            .await?)
    }

    pub(super) fn policy(&self, job: &JobId) -> &QueuePolicy {
        self.namespaces.queues().of(job.queue())
    }

    /// The same for a script that does it for several jobs. `shared` come after the arguments that all have, `own`
    /// are what it is given of this lease's job, behind token, id and tag.
    async fn say(
        &self,
        script: Script,
        (lease, keys): (&Lease, usize),
        shared: impl IntoIterator<Item = Value>,
        own: impl IntoIterator<Item = Value>,
    ) -> Result<(), JobError> {
        let slot = self.keys.of_job(&lease.job);
        let mut arguments = log_arguments(self.namespaces.of(&Topic::of_job(&lease.job)));
        arguments.extend(shared);
        let frame = Frame {
            keys: slot.first(keys),
            tag: slot.tag,
            arguments,
        };
        let job = match script {
            // One name less for the script to make.
            Script::Progress => text(&format!("{}{}", frame.keys[0], lease.job)),
            _ => text(lease.job.as_str()),
        };
        let mut word = vec![text(&lease.token.to_string()), job, tag()];
        word.extend(own);
        held(&self.together.say(script, frame, word).await?, lease)
    }

    async fn finish(&self, lease: &Lease, call: &str, result: Value) -> Result<(), JobError> {
        let policy = self.policy(&lease.job);
        let shared = [milliseconds(policy.retention), limited(policy)];
        let own = [text(call), result];
        self.say(Script::Finish, (lease, 7), shared, own).await
    }

    /// Promotes what is due.
    async fn look(&self, queue: &QueueName) -> Result<Outlook, CallError> {
        let slot = self.keys.queue(queue);
        let mut arguments = self.queue_arguments(queue);
        arguments.extend([count(BATCH), text(&tags(BATCH))]);
        arguments.extend(room(self.namespaces.queues().of(queue.as_str())));
        let answer = self
            .commands
            .run(Script::Promote, &slot.tag, slot.first(13), arguments)
            .await?;
        let parts: Vec<Option<i64>> = answer.into_array().iter().map(Value::as_i64).collect();
        let [Some(jobs), Some(next), Some(ready)] = parts[..] else {
            return Err(CallError::unexpected("promoted jobs of another shape"));
        };
        Ok(Outlook {
            promoted: Promoted {
                jobs: usize::try_from(jobs).unwrap_or_default(),
                next: u64::try_from(next).ok().map(Duration::from_millis),
            },
            has_work: ready > 0,
        })
    }

    fn queue_arguments(&self, queue: &QueueName) -> Vec<Value> {
        log_arguments(self.namespaces.of(&Topic::of_queue(queue)))
    }
}

#[async_trait]
impl JobQueue for RedisQueue {
    async fn submit(&self, draft: JobDraft) -> Result<Submitted, JobError> {
        self.register(&draft).await?;
        // A job that its key led to can end its life between the two steps; then the key is free.
        for _ in 0..3 {
            if let Some(submitted) = self.submit_once(&draft).await? {
                return Ok(submitted);
            }
        }
        Err(CallError::unexpected("a job that comes and goes").into())
    }

    async fn get(&self, id: &JobId) -> Result<JobRecord, JobError> {
        let slot = self.keys.of_job(id);
        let key = format!("{}{id}", slot.records());
        let answer = self
            .commands
            .run(Script::Get, &slot.tag, vec![key], Vec::new())
            .await?;
        match answer.into_bytes() {
            Some(json) => Ok(record(&json)?),
            None => Err(JobError::NotFound(id.clone())),
        }
    }

    async fn claim(
        &self,
        queue: &QueueName,
        worker: &WorkerId,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<Claim>, JobError> {
        let limit = limit.min(CLAIM_LIMIT);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let slot = self.keys.queue(queue);
        let tokens: Vec<Token> = (0..limit).map(|_| Token::random()).collect();
        let mut arguments = self.queue_arguments(queue);
        arguments.extend(room(self.namespaces.queues().of(queue.as_str())));
        let frame = Frame {
            keys: slot.first(13),
            tag: slot.tag,
            arguments,
        };
        let word = vec![
            milliseconds(lease),
            count(limit),
            text(&tokens.iter().fold(String::new(), |mut all, token| {
                let _ = write!(all, "{token}");
                all
            })),
            text(&tags(limit)),
            Value::Bytes(json(worker)?.as_bytes().clone()),
        ];
        let answer = self.together.say(Script::Claim, frame, word).await?;
        let mut parts = answer.into_array().into_iter();
        let mut claims = Vec::with_capacity(parts.len() / 4);
        for token in tokens {
            let (Some(id), Some(json), Some(data), Some(checkpoint)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                break;
            };
            let job = job_id(&id.as_str().unwrap_or_default())?;
            claims.push(Claim {
                lease: Lease { job, token },
                record: record(&json.into_bytes().unwrap_or_default())?,
                data: data.into_bytes().map_or_else(RawJson::null, RawJson::trusted),
                checkpoint: checkpoint.into_bytes().map(RawJson::trusted),
            });
        }
        Ok(claims)
    }

    async fn wait(&self, queues: &[QueueName], timeout: Duration) -> Result<(), JobError> {
        let bells: Vec<Bell> = queues.iter().map(|queue| self.keys.queue(queue).bell()).collect();
        let look = async |number: usize| self.look(&queues[number]).await;
        Ok(self.wakers.wait(&bells, timeout, look).await?)
    }

    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Beat>, JobError> {
        Ok(beats::renew(&self.commands, &self.keys, leases, lease).await?)
    }

    async fn progress(&self, lease: &Lease, progress: Progress) -> Result<(), JobError> {
        check_size("progress", progress.detail.as_ref(), DETAIL_LIMIT)?;
        let own = [report(&progress)?];
        self.say(Script::Progress, (lease, 4), [], own).await
    }

    async fn log(&self, lease: &Lease, lines: &[LogLine]) -> Result<(), JobError> {
        for lines in lines.chunks(LINES) {
            let mut further = vec![text(lease.job.as_str()), text(&lease.token.to_string())];
            for line in lines {
                further.extend([tag(), Value::Bytes(json(line)?.as_bytes().clone())]);
            }
            held(&self.write(Script::Log, (&lease.job, 1), further).await?, lease)?;
        }
        Ok(())
    }

    async fn checkpoint(&self, lease: &Lease, checkpoint: RawJson) -> Result<(), JobError> {
        check_size("checkpoint", Some(&checkpoint), CHECKPOINT_LIMIT)?;
        let slot = self.keys.of_job(&lease.job);
        let arguments = vec![
            text(lease.job.as_str()),
            text(&lease.token.to_string()),
            Value::Bytes(checkpoint.as_bytes().clone()),
        ];
        let answer = self
            .commands
            .run(Script::Checkpoint, &slot.tag, slot.first(1), arguments)
            .await?;
        held(&answer, lease)
    }

    async fn succeed(&self, lease: &Lease, result: RawJson) -> Result<(), JobError> {
        check_size("result", Some(&result), RESULT_LIMIT)?;
        self.finish(lease, "succeed", Value::Bytes(result.as_bytes().clone()))
            .await
    }

    async fn fail(&self, lease: &Lease, failure: Failure) -> Result<JobState, JobError> {
        let policy = self.policy(&lease.job);
        let waits = failure.retry_after.map(|pause| failing_until(policy, pause));
        let mut further = waits.unwrap_or_else(|| failing(policy)).to_vec();
        further.extend([
            text(&lease.token.to_string()),
            text(lease.job.as_str()),
            tag(),
            Value::Integer((!failure.fatal).into()),
            Value::Bytes(json(shorten(&failure.message))?.as_bytes().clone()),
            limited(policy),
        ]);
        let answer = self.write(Script::Fail, (&lease.job, 12), further).await?;
        match answer.as_str().as_deref() {
            Some("retrying") => Ok(JobState::Retrying),
            Some("failed") => Ok(JobState::Failed),
            Some("cancelled") => Ok(JobState::Cancelled),
            None => Err(JobError::LeaseLost(lease.job.clone())),
            Some(_) => Err(CallError::unexpected("a state that no failure leads to").into()),
        }
    }

    async fn cancelled(&self, lease: &Lease) -> Result<(), JobError> {
        self.finish(lease, "cancel", text("")).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), JobError> {
        let further = [
            milliseconds(self.policy(&lease.job).retention),
            text(&lease.token.to_string()),
            text(lease.job.as_str()),
            tag(),
            limited(self.policy(&lease.job)),
        ];
        held(
            &self.write(Script::Release, (&lease.job, 12), further).await?,
            lease,
        )
    }

    async fn cancel(&self, id: &JobId) -> Result<JobRecord, JobError> {
        let policy = self.policy(id);
        let further = [
            milliseconds(policy.retention),
            text(id.as_str()),
            tag(),
            milliseconds(policy.cancel_grace),
        ];
        let answer = self.write(Script::Cancel, (id, 12), further).await?;
        match answer.into_bytes() {
            Some(json) => Ok(record(&json)?),
            None => Err(JobError::NotFound(id.clone())),
        }
    }

    async fn promote(&self, queue: &QueueName) -> Result<Promoted, JobError> {
        Ok(self.look(queue).await?.promoted)
    }

    async fn reclaim(&self, queue: &QueueName, max_stalls: u32) -> Result<usize, JobError> {
        let slot = self.keys.queue(queue);
        let stalled = format!("the worker was lost {max_stalls} times while it ran this job");
        let mut arguments = self.queue_arguments(queue);
        arguments.extend(failing(self.namespaces.queues().of(queue.as_str())));
        arguments.extend([
            Value::Integer(max_stalls.into()),
            Value::Bytes(json(&stalled)?.as_bytes().clone()),
            Value::Bytes(json(TIMED_OUT)?.as_bytes().clone()),
            text(&tags(BATCH)),
            count(BATCH),
            limited(self.namespaces.queues().of(queue.as_str())),
        ]);
        let answer = self
            .commands
            .run(Script::Reclaim, &slot.tag, slot.first(12), arguments)
            .await?;
        answer
            .as_i64()
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| CallError::unexpected("no count").into())
    }
}
