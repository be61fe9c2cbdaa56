//! What the scripts of the job queue are given and answer, one value at a time.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use fred::types::Value;
use sha2::{Digest, Sha256};

use super::broker::{milliseconds, text};
use super::commands::CallError;
use super::entry;
use crate::job::{
    Concurrency, JobDraft, JobError, JobId, JobRecord, Lease, Priority, Progress, QueuePolicy, TEXT_LIMIT,
};
use crate::json::RawJson;
use crate::position::Tag;

/// Whether the lease was held.
pub(super) fn held(answer: &Value, lease: &Lease) -> Result<(), JobError> {
    match answer.as_i64() {
        Some(1) => Ok(()),
        Some(0) => Err(JobError::LeaseLost(lease.job.clone())),
        _ => Err(CallError::unexpected("neither yes nor no").into()),
    }
}

/// What scripts in which attempts fail are given first.
pub(super) fn failing(policy: &QueuePolicy) -> [Value; 4] {
    [
        milliseconds(policy.retention),
        milliseconds(policy.retry_base),
        milliseconds(policy.retry_limit),
        Value::Double(rand::random()),
    ]
}

/// The same for a failure that says itself how long to wait: that long, whatever the attempt.
pub(super) fn failing_until(policy: &QueuePolicy, pause: Duration) -> [Value; 4] {
    let pause = milliseconds(pause);
    [
        milliseconds(policy.retention),
        pause.clone(),
        pause,
        Value::Double(1.0),
    ]
}

/// The record in [`shorthand`](super::shorthand) from behind the id up to its state.
pub(super) fn head(draft: &JobDraft) -> Result<String, CallError> {
    Ok(format!(
        "\x02{}\x03{}\x04",
        json(&draft.kind)?.as_str(),
        json(draft.id.queue())?.as_str(),
    ))
}

/// The same from behind the error up to the creation time.
pub(super) fn tail(draft: &JobDraft, policy: &QueuePolicy) -> Result<String, CallError> {
    let mut tail = String::new();
    if let Some(timeout) = draft.timeout {
        let _ = write!(tail, "\x14{}", timeout.as_millis().max(1));
    }
    let max_attempts = draft.max_attempts.unwrap_or(policy.max_attempts).max(1);
    let _ = write!(tail, "\x0e{max_attempts}");
    if let Some(concurrency) = &draft.concurrency {
        let _ = write!(tail, "\x15{}", json(concurrency)?.as_str());
    }
    if let Some(trace) = &draft.trace {
        let _ = write!(tail, "\x16\"{trace}\"");
    }
    match &draft.user {
        Some(user) => {
            let _ = write!(tail, "\x0f{}", json(user)?.as_str());
        }
        None => tail.push_str("\x0f\x13"),
    }
    if draft.key.is_some() {
        tail.push('\x1a');
    }
    if draft.priority != Priority::default() {
        tail.push('\x1b');
    }
    tail.push('\x10');
    Ok(tail)
}

/// Tells another payload under the same idempotency key.
fn fingerprint(draft: &JobDraft) -> String {
    let mut digest = Sha256::new();
    digest.update(draft.kind.as_str());
    digest.update([0]);
    digest.update(draft.data.as_bytes());
    format!("{:x}", digest.finalize())
}

/// What few jobs have, as `submit.lua` takes it. `key` is where the idempotency key is.
pub(super) fn rare(draft: &JobDraft, key: Option<&str>) -> Value {
    let together = draft.concurrency.as_ref().map(together).unwrap_or_default();
    if draft.priority == Priority::default() && draft.delay.is_zero() && together.is_empty() && key.is_none()
    {
        return text("");
    }
    let delay = match draft.delay {
        Duration::ZERO => String::new(),
        delay => milliseconds(delay).as_i64().unwrap_or(i64::MAX).to_string(),
    };
    let fingerprint = key.map(|_| fingerprint(draft)).unwrap_or_default();
    text(&format!(
        "{}\n{delay}\n{together}\n{}\n{fingerprint}",
        draft.priority.get(),
        key.unwrap_or_default(),
    ))
}

fn together(one: &Concurrency) -> String {
    format!("{} {}", one.limit(), one.key())
}

/// The job's concurrency key as `tick.lua` takes it.
pub(super) fn concurrency(draft: &JobDraft) -> Value {
    text(&draft.concurrency.as_ref().map(together).unwrap_or_default())
}

/// The queue's limits as `room.lua` takes them: most that run, how many begin in how long.
pub(super) fn room(policy: &QueuePolicy) -> [Value; 3] {
    let rate = policy.rate;
    [
        Value::Integer(policy.max_running.into()),
        Value::Integer(rate.map_or(0, |rate| rate.limit.into())),
        milliseconds(rate.map_or(Duration::ZERO, |rate| rate.period)),
    ]
}

/// Whether the queue has a limit of running jobs, as `room.lua` takes it.
pub(super) fn limited(policy: &QueuePolicy) -> Value {
    Value::Integer((policy.max_running > 0).into())
}

pub(super) fn tag() -> Value {
    text(Tag::random().as_str())
}

pub(super) fn count(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Random tags, one after the other.
pub(super) fn tags(count: usize) -> String {
    (0..count).fold(String::with_capacity(6 * count), |mut all, _| {
        all.push_str(Tag::random().as_str());
        all
    })
}

pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<RawJson, CallError> {
    RawJson::of(value).map_err(|_| CallError::unexpected("a value that can't be written as JSON"))
}

/// A record, from the entry that it was last told by.
pub(super) fn record(entry: &Bytes) -> Result<JobRecord, CallError> {
    let json = entry::record(entry);
    record_of(&json.ok_or_else(|| CallError::unexpected("a job's record that is none"))?)
}

pub(super) fn record_of(json: &RawJson) -> Result<JobRecord, CallError> {
    serde_json::from_str(json.as_str())
        .map_err(|_| CallError::unexpected("a job's record that can't be read"))
}

/// What a report says, as `progress.lua` takes it.
pub(super) fn report(progress: &Progress) -> Result<Value, CallError> {
    let percent = progress.percent.map(|percent| json(&percent)).transpose()?;
    let message = progress.message.as_deref().map(shorten);
    let message = message.map(json).transpose()?;
    let detail = progress.detail.as_ref().map_or("", RawJson::as_str);
    let of = |part: Option<&RawJson>| part.map_or(String::new(), |part| part.as_str().to_owned());
    Ok(text(&match (&percent, &message) {
        (Some(percent), Some(message)) => {
            let mark = if detail.is_empty() { "" } else { "\x08" };
            format!("\x06{}\x07{}{mark}{detail}", percent.as_str(), message.as_str())
        }
        _ => format!("{}\n{}\n{detail}", of(percent.as_ref()), of(message.as_ref())),
    }))
}

pub(super) fn job_id(text: &str) -> Result<JobId, CallError> {
    JobId::parse(text).map_err(|_| CallError::unexpected("a job id that can't be read"))
}

pub(super) fn check_size(what: &'static str, value: Option<&RawJson>, limit: usize) -> Result<(), JobError> {
    match value.map(RawJson::size) {
        Some(size) if size > limit => Err(JobError::TooLarge { what, size, limit }),
        _ => Ok(()),
    }
}

/// Cuts a text for people off at the limit, between characters.
pub(super) fn shorten(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
