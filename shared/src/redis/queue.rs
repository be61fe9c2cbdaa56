//! The job queue on Redis: each method is one script, or two where the first only found out which job
//! is meant.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use sha2::{Digest, Sha256};

use super::broker::{log_arguments, milliseconds, text};
use super::commands::{CallError, Commands};
use super::keys::Keys;
use super::page;
use super::scripts::Script;
use super::wake::Wakers;
use crate::broker::From;
use crate::job::{
    Beat, CLAIM_LIMIT, Claim, DETAIL_LIMIT, JobDraft, JobError, JobId, JobQueue, JobRecord, Lease, Progress,
    RESULT_LIMIT, RETENTION, Submitted, TEXT_LIMIT, Token,
};
use crate::json::RawJson;
use crate::name::{QueueName, WorkerId};
use crate::namespace::{Namespace, Namespaces};
use crate::position::{Epoch, Tag};
use crate::publication::Snapshot;
use crate::topic::Topic;

/// Most jobs one script looks at.
const BATCH: usize = 256;

pub(super) struct RedisQueue {
    commands: Arc<Commands>,
    wakers: Arc<Wakers>,
    keys: Keys,
    namespaces: Namespaces,
    /// How long an ended job is kept.
    retention: Duration,
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
            commands,
            wakers,
            keys,
            namespaces,
            retention: RETENTION,
            _closer: closer,
        }
    }

    fn namespace(&self, queue: &QueueName) -> &Namespace {
        self.namespaces.of(&Topic::of_queue(queue))
    }

    /// A script that changes the job of a lease: further keys and arguments come after the common ones.
    async fn write(
        &self,
        script: Script,
        lease: &Lease,
        further_keys: impl IntoIterator<Item = String>,
        further: impl IntoIterator<Item = Value>,
    ) -> Result<(), JobError> {
        let slot = self.keys.of_job(&lease.job);
        let mut keys = slot.of_job(&lease.job);
        keys.extend(further_keys);
        let mut arguments = log_arguments(self.namespaces.of(&Topic::of_job(&lease.job)));
        arguments.extend([text(Tag::random().as_str()), text(&lease.token.to_string())]);
        arguments.extend(further);
        let answer = self.commands.run(script, &slot.tag, keys, arguments).await?;
        match answer.as_i64() {
            Some(1) => Ok(()),
            Some(0) => Err(JobError::LeaseLost(lease.job.clone())),
            _ => Err(CallError::unexpected("neither yes nor no").into()),
        }
    }

    async fn finish(&self, lease: &Lease, state: &str, field: &str, value: RawJson) -> Result<(), JobError> {
        let leases = self.keys.of_job(&lease.job).leases();
        let further = [
            text(lease.job.as_str()),
            text(state),
            text(field),
            Value::Bytes(value.as_bytes().clone()),
            milliseconds(self.retention),
        ];
        self.write(Script::Finish, lease, [leases], further).await
    }

    /// The job that a submit turned out to be about.
    async fn known(&self, id: &JobId) -> Result<Option<Submitted>, JobError> {
        let topic = Topic::of_job(id);
        let keys = self.keys.topic(&topic);
        let mut names = vec![keys.log(), keys.meta()];
        names.extend(keys.record);
        let arguments = vec![
            text("now"),
            Value::Integer(0),
            Value::Integer(1),
            Value::Integer(0),
            text(Epoch::random().as_str()),
        ];
        let answer = self
            .commands
            .run(Script::Read, &keys.tag, names, arguments)
            .await?;
        let Some(read) = page::parse(&topic, From::Now, answer)? else {
            return Ok(None);
        };
        match (read.page.top, read.page.snapshot) {
            (Some(position), Some(Snapshot::Job(json))) => Ok(Some(Submitted {
                record: record(json.as_bytes())?,
                position,
                duplicate: true,
            })),
            _ => Err(CallError::unexpected("a job without a record").into()),
        }
    }

    async fn submit_once(&self, draft: &JobDraft) -> Result<Option<Submitted>, JobError> {
        let slot = self.keys.of_job(&draft.id);
        let mut keys = slot.of_job(&draft.id);
        keys.push(format!("{}{}", slot.ready(), draft.priority.get()));
        keys.push(slot.wake());
        keys.extend(draft.key.as_ref().map(|key| slot.idempotency(key)));
        let topic = Topic::of_job(&draft.id);
        let mut arguments = log_arguments(self.namespaces.of(&topic));
        arguments.extend([
            text(Tag::random().as_str()),
            text(draft.id.as_str()),
            text(&head(draft)?),
            text(&format!(
                ",\"user\":{},\"created_at\":",
                json(&draft.user)?.as_str()
            )),
            Value::Bytes(draft.data.as_bytes().clone()),
            Value::Integer(draft.priority.get().into()),
            text(&fingerprint(draft)),
        ]);
        let answer = self
            .commands
            .run(Script::Submit, &slot.tag, keys, arguments)
            .await?;
        let parts = answer.into_array();
        let part = |index: usize| parts.get(index).and_then(Value::as_str).unwrap_or_default();
        match (&*part(0), &draft.key) {
            ("new", _) => Ok(Some(Submitted {
                record: record(part(1).as_bytes())?,
                position: page::position(&part(2))?,
                duplicate: false,
            })),
            ("known", _) => self.known(&job_id(&part(1))?).await,
            ("conflict", Some(key)) => Err(JobError::Conflict {
                key: key.clone(),
                job: job_id(&part(1))?,
            }),
            _ => Err(CallError::unexpected("a submission of another shape").into()),
        }
    }
}

#[async_trait]
impl JobQueue for RedisQueue {
    async fn submit(&self, draft: JobDraft) -> Result<Submitted, JobError> {
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
        _worker: &WorkerId,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<Claim>, JobError> {
        let limit = limit.min(CLAIM_LIMIT);
        let slot = self.keys.queue(queue);
        let mut keys = vec![slot.records()];
        keys.extend(slot.all());
        keys.extend([slot.leases(), slot.wake()]);
        keys.extend(slot.ready_lists());
        let tokens: Vec<Token> = (0..limit).map(|_| Token::random()).collect();
        let mut arguments = log_arguments(self.namespace(queue));
        arguments.extend([
            milliseconds(lease),
            Value::Integer(i64::try_from(limit).unwrap_or_default()),
            text(&tokens.iter().fold(String::new(), |mut all, token| {
                let _ = write!(all, "{token}");
                all
            })),
            text(&tags(limit)),
        ]);
        let answer = self
            .commands
            .run(Script::Claim, &slot.tag, keys, arguments)
            .await?;
        let mut parts = answer.into_array().into_iter();
        let mut claims = Vec::with_capacity(parts.len() / 3);
        for token in tokens {
            let (Some(id), Some(json), Some(data)) = (parts.next(), parts.next(), parts.next()) else {
                break;
            };
            let job = job_id(&id.as_str().unwrap_or_default())?;
            claims.push(Claim {
                lease: Lease { job, token },
                record: record(&json.into_bytes().unwrap_or_default())?,
                data: data.into_bytes().map_or_else(RawJson::null, RawJson::trusted),
            });
        }
        Ok(claims)
    }

    async fn wait(&self, queues: &[QueueName], timeout: Duration) -> Result<(), JobError> {
        Ok(self.wakers.wait(queues, timeout).await?)
    }

    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Beat>, JobError> {
        let mut slots: BTreeMap<(&str, u16), Vec<usize>> = BTreeMap::new();
        for (index, lease) in leases.iter().enumerate() {
            slots
                .entry((lease.job.queue(), lease.job.shard()))
                .or_default()
                .push(index);
        }
        let mut beats = vec![Beat::Lost; leases.len()];
        for chunk in slots.values().flat_map(|indexes| indexes.chunks(BATCH)) {
            let slot = self.keys.of_job(&leases[chunk[0]].job);
            let mut arguments = vec![milliseconds(lease)];
            for &index in chunk {
                arguments.push(text(leases[index].job.as_str()));
                arguments.push(text(&leases[index].token.to_string()));
            }
            let keys = vec![slot.records(), slot.leases()];
            let answer = self
                .commands
                .run(Script::Heartbeat, &slot.tag, keys, arguments)
                .await?;
            for (&index, renewed) in chunk.iter().zip(answer.into_array()) {
                if renewed.as_i64() == Some(1) {
                    beats[index] = Beat::Extended;
                }
            }
        }
        Ok(beats)
    }

    async fn progress(&self, lease: &Lease, progress: Progress) -> Result<(), JobError> {
        let detail = progress.detail.as_ref();
        check_size("progress", detail, DETAIL_LIMIT)?;
        let percent = progress.percent.map(|percent| json(&percent)).transpose()?;
        let message = progress
            .message
            .map(|message| json(shorten(&message)))
            .transpose()?;
        let optional = |value: Option<&RawJson>| {
            Value::Bytes(value.map(|value| value.as_bytes().clone()).unwrap_or_default())
        };
        let further = [
            optional(percent.as_ref()),
            optional(message.as_ref()),
            optional(detail),
        ];
        self.write(Script::Progress, lease, [], further).await
    }

    async fn succeed(&self, lease: &Lease, result: RawJson) -> Result<(), JobError> {
        check_size("result", Some(&result), RESULT_LIMIT)?;
        self.finish(lease, "succeeded", "result", result).await
    }

    async fn fail(&self, lease: &Lease, error: &str) -> Result<(), JobError> {
        self.finish(lease, "failed", "error", json(shorten(error))?).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), JobError> {
        let slot = self.keys.of_job(&lease.job);
        let keys = [slot.leases(), slot.wake(), slot.ready()];
        self.write(Script::Release, lease, keys, [text(lease.job.as_str())])
            .await
    }

    async fn reclaim(&self, queue: &QueueName, max_stalls: u32) -> Result<usize, JobError> {
        let slot = self.keys.queue(queue);
        let mut keys = vec![slot.records()];
        keys.extend(slot.all());
        keys.extend([slot.leases(), slot.wake(), slot.ready()]);
        let error = format!("the worker was lost {max_stalls} times while it ran this job");
        let mut arguments = log_arguments(self.namespace(queue));
        arguments.extend([
            Value::Integer(max_stalls.into()),
            Value::Bytes(json(&error)?.as_bytes().clone()),
            milliseconds(self.retention),
            text(&tags(BATCH)),
            Value::Integer(i64::try_from(BATCH).unwrap_or_default()),
        ]);
        let answer = self
            .commands
            .run(Script::Reclaim, &slot.tag, keys, arguments)
            .await?;
        answer
            .as_i64()
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| CallError::unexpected("no count").into())
    }
}

/// The record's JSON up to its state.
fn head(draft: &JobDraft) -> Result<String, CallError> {
    Ok(format!(
        "{{\"id\":{},\"type\":{},\"queue\":{},\"state\":\"",
        json(&draft.id)?.as_str(),
        json(&draft.kind)?.as_str(),
        json(draft.id.queue())?.as_str(),
    ))
}

/// Tells another payload under the same idempotency key.
fn fingerprint(draft: &JobDraft) -> String {
    let mut digest = Sha256::new();
    digest.update(draft.kind.as_str());
    digest.update([0]);
    digest.update(draft.data.as_bytes());
    format!("{:x}", digest.finalize())
}

/// Random tags, one after the other.
fn tags(count: usize) -> String {
    (0..count).fold(String::with_capacity(6 * count), |mut all, _| {
        all.push_str(Tag::random().as_str());
        all
    })
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<RawJson, CallError> {
    RawJson::of(value).map_err(|_| CallError::unexpected("a value that can't be written as JSON"))
}

fn record(json: &[u8]) -> Result<JobRecord, CallError> {
    serde_json::from_slice(json).map_err(|_| CallError::unexpected("a job's record that can't be read"))
}

fn job_id(text: &str) -> Result<JobId, CallError> {
    JobId::parse(text).map_err(|_| CallError::unexpected("a job id that can't be read"))
}

fn check_size(what: &'static str, value: Option<&RawJson>, limit: usize) -> Result<(), JobError> {
    match value.map(RawJson::size) {
        Some(size) if size > limit => Err(JobError::TooLarge { what, size, limit }),
        _ => Ok(()),
    }
}

/// Cuts a text for people off at the limit, between characters.
fn shorten(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
