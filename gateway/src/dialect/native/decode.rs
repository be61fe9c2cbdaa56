//! Commands from JSON. One pass over the message finds its fields; only what the action needs is then
//! looked at. `data` is neither parsed nor copied: it stays a slice of the message.

mod call;

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tidegate_shared::config::Secret;
use tidegate_shared::job::{ATTEMPTS_LIMIT, Concurrency, JobId, Priority, TIME_LIMIT};
use tidegate_shared::name::{IdempotencyKey, JobType, QueueName, StateKey};
use tidegate_shared::position::{Epoch, Since, Tag};
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::TraceContext;

use super::field::{Checked, Wrong, boolean, data, kind, missing, name, number, text, unquote, wrong_type};
use crate::dialect::nearest::nearest;
use crate::dialect::{Command, DecodeError, JobRequest, Request, RequestId};

const ACTIONS: [&str; 12] = [
    "subscribe",
    "unsubscribe",
    "publish",
    "set",
    "remove",
    "history",
    "presence",
    "submit",
    "cancel",
    "call",
    "auth",
    "ping",
];

/// Everything a command may have. A field that is `null` counts as absent, but for `data` and `value`.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    topic: Option<&'a RawValue>,
    #[serde(borrow)]
    since: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    limit: Option<&'a RawValue>,
    #[serde(borrow)]
    job: Option<&'a RawValue>,
    #[serde(borrow)]
    follow: Option<&'a RawValue>,
    #[serde(borrow)]
    presence: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    password: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    timeout_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    traceparent: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Job<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    queue: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    priority: Option<&'a RawValue>,
    #[serde(borrow)]
    delay_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    timeout_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    max_attempts: Option<&'a RawValue>,
    #[serde(borrow)]
    concurrency: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    epoch: Option<&'a RawValue>,
    #[serde(borrow)]
    offset: Option<&'a RawValue>,
    #[serde(borrow)]
    tag: Option<&'a RawValue>,
}

/// What does not say what its request belongs to says nothing, as the W3C has it.
fn trace(raw: &RawValue) -> Option<TraceContext> {
    TraceContext::parse(&unquote(raw)?)
}

fn even_null<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&'a RawValue>::deserialize(from).map(Some)
}

pub(super) fn request(message: &Bytes) -> Result<Request, DecodeError> {
    let envelope: Envelope<'_> = object(message).map_err(|text| DecodeError::rubbish(None, text))?;
    let id = id(envelope.id).map_err(|text| DecodeError::rubbish(None, text))?;
    match command(message, &envelope) {
        Ok(command) => {
            let mut request = Request::new(id, command);
            request.manner.trace = envelope.traceparent.and_then(trace);
            Ok(request)
        }
        Err(Wrong::Rubbish(text)) => Err(DecodeError::rubbish(id, text)),
    }
}

fn command(message: &Bytes, envelope: &Envelope<'_>) -> Checked<Command> {
    let Some(action) = envelope.action else {
        return Err(Wrong::Rubbish(format!(
            "field `action` is missing: name one of {}",
            ACTIONS.join(", ")
        )));
    };
    let action = text("action", action)?;
    match &*action {
        "subscribe" => {
            let presence = envelope.presence.map(|raw| boolean("presence", raw));
            Ok(Command::Subscribe {
                topic: topic(envelope)?,
                since: envelope.since.map(since).transpose()?,
                presence: presence.transpose()?.unwrap_or(false),
            })
        }
        "unsubscribe" => Ok(Command::Unsubscribe {
            topic: topic(envelope)?,
        }),
        "publish" => Ok(Command::Publish {
            topic: topic(envelope)?,
            data: data(message, "data", envelope.data)?,
            event: None,
            key: envelope
                .key
                .map(|raw| name("key", raw, IdempotencyKey::parse))
                .transpose()?,
        }),
        "set" => Ok(Command::Set {
            topic: topic(envelope)?,
            key: state_key(envelope)?,
            value: data(message, "value", envelope.value)?,
            ttl: envelope
                .ttl_ms
                .map(|raw| number("ttl_ms", raw).map(Duration::from_millis))
                .transpose()?,
        }),
        "remove" => Ok(Command::Remove {
            topic: topic(envelope)?,
            key: state_key(envelope)?,
        }),
        "presence" => Ok(Command::Presence {
            topic: topic(envelope)?,
            limit: envelope.limit.map(|raw| number("limit", raw)).transpose()?,
        }),
        "history" => Ok(Command::History {
            topic: topic(envelope)?,
            since: envelope.since.map(since).transpose()?,
            limit: envelope.limit.map(|raw| number("limit", raw)).transpose()?,
        }),
        "submit" => submit(message, envelope),
        "auth" => auth(envelope),
        "cancel" => {
            let raw = envelope.job.ok_or_else(|| missing("job"))?;
            let id = JobId::parse(&text("job", raw)?);
            let job = id.map_err(|_| wrong_type("job", "the id of a job", raw))?;
            Ok(Command::Cancel { job })
        }
        "call" => call::call(message, envelope),
        "ping" => Ok(Command::Ping),
        other => Err(Wrong::Rubbish(unknown_action(other))),
    }
}

/// By a token, or by a name and a password.
fn auth(envelope: &Envelope<'_>) -> Checked<Command> {
    let (Some(user), None) = (envelope.user, envelope.token) else {
        let token = envelope.token.ok_or_else(|| missing("token"))?;
        return Ok(Command::Auth {
            token: text("token", token)?.into(),
        });
    };
    let password = envelope.password.ok_or_else(|| missing("password"))?;
    Ok(Command::Login {
        user: text("user", user)?.into(),
        password: Secret::new(&text("password", password)?),
    })
}

fn submit(message: &Bytes, envelope: &Envelope<'_>) -> Checked<Command> {
    let raw = envelope.job.ok_or_else(|| missing("job"))?;
    let job: Job<'_> = object(raw.get().as_bytes())
        .map_err(|_| wrong_type("job", "an object as {\"type\": …, \"data\": …}", raw))?;
    let time = |field: &str, raw: Option<&RawValue>| -> Checked<Option<Duration>> {
        let Some(raw) = raw else { return Ok(None) };
        let time = Duration::from_millis(number(field, raw)?);
        let most = TIME_LIMIT.as_millis();
        Some(time)
            .filter(|time| *time <= TIME_LIMIT)
            .map(Some)
            .ok_or_else(|| wrong_type(field, &format!("at most {most}"), raw))
    };
    let max_attempts = match job.max_attempts {
        None => None,
        Some(raw) => {
            let expected = format!("a whole number from 1 to {ATTEMPTS_LIMIT}");
            let number: Option<u32> = serde_json::from_str(raw.get()).ok();
            let number = number.filter(|number| (1..=ATTEMPTS_LIMIT).contains(number));
            Some(number.ok_or_else(|| wrong_type("job.max_attempts", &expected, raw))?)
        }
    };
    let priority = match job.priority {
        None => Priority::default(),
        Some(raw) => serde_json::from_str(raw.get())
            .ok()
            .and_then(Priority::new)
            .ok_or_else(|| wrong_type("job.priority", "a whole number from 0 to 9", raw))?,
    };
    let concurrency = match job.concurrency {
        None => None,
        Some(raw) => {
            let expected = format!(
                "an object as {{\"key\": \"tenant-7\", \"limit\": 2}}, with a limit from 1 to {}",
                Concurrency::LIMIT
            );
            let concurrency = serde_json::from_str(raw.get()).ok();
            Some(concurrency.ok_or_else(|| wrong_type("job.concurrency", &expected, raw))?)
        }
    };
    let kind = job.kind.ok_or_else(|| missing("job.type"))?;
    Ok(Command::Submit(Box::new(JobRequest {
        kind: name("job.type", kind, JobType::parse)?,
        data: data(message, "job.data", job.data)?,
        queue: job
            .queue
            .map(|raw| name("job.queue", raw, QueueName::parse))
            .transpose()?,
        key: job
            .key
            .map(|raw| name("job.key", raw, IdempotencyKey::parse))
            .transpose()?,
        priority,
        delay: time("job.delay_ms", job.delay_ms)?.unwrap_or_default(),
        timeout: time("job.timeout_ms", job.timeout_ms)?,
        max_attempts,
        concurrency,
        follow: envelope
            .follow
            .map(|raw| boolean("follow", raw))
            .transpose()?
            .unwrap_or(true),
    })))
}

/// Reads an object; an array is not taken for one, as serde would.
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    match serde_json::from_slice(bytes) {
        Ok(object) if first == Some(&b'{') => Ok(object),
        Err(error) if first == Some(&b'{') => Err(format!("no valid JSON object: {error}")),
        _ if first.is_none() => Err("the message is empty: send a JSON object with a field `action`".into()),
        _ => match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(_) => {
                Err("a command is a JSON object with a field `action`, this is another JSON value".into())
            }
            Err(error) => Err(format!("no valid JSON: {error}")),
        },
    }
}

fn id(raw: Option<&RawValue>) -> Result<Option<RequestId>, String> {
    let Some(raw) = raw else { return Ok(None) };
    let spelling = raw.get();
    let length = match spelling.as_bytes().first() {
        Some(b'"') => unquote(raw).map_or(usize::MAX, |text| text.len()),
        Some(b'-' | b'0'..=b'9') => spelling.len(),
        _ => {
            return Err(format!(
                "field `id` must be a number or a string, not {}",
                kind(raw)
            ));
        }
    };
    if length > RequestId::LIMIT {
        return Err(format!("field `id` is longer than {} bytes", RequestId::LIMIT));
    }
    Ok(Some(RequestId::new(spelling)))
}

fn topic(envelope: &Envelope<'_>) -> Checked<Topic> {
    let raw = envelope.topic.ok_or_else(|| missing("topic"))?;
    name("topic", raw, Topic::parse)
}

fn state_key(envelope: &Envelope<'_>) -> Checked<StateKey> {
    let raw = envelope.key.ok_or_else(|| missing("key"))?;
    name("key", raw, StateKey::parse)
}

fn since(raw: &RawValue) -> Checked<Since> {
    let place: Place<'_> = object(raw.get().as_bytes()).map_err(|_| {
        wrong_type(
            "since",
            "an object as {\"epoch\": …, \"offset\": …, \"tag\": …}",
            raw,
        )
    })?;
    let epoch = place.epoch.ok_or_else(|| missing("since.epoch"))?;
    let offset = place.offset.ok_or_else(|| missing("since.offset"))?;
    Ok(Since {
        epoch: Epoch::from_wire(&text("since.epoch", epoch)?),
        offset: number("since.offset", offset)?,
        tag: match place.tag {
            None => None,
            Some(tag) => Some(Tag::from_wire(&text("since.tag", tag)?)),
        },
    })
}

fn unknown_action(action: &str) -> String {
    const SHOWN: usize = 32;
    let shown: String = action.chars().take(SHOWN).collect();
    match nearest(action, &ACTIONS) {
        Some(meant) => format!("unknown action {shown:?}: did you mean `{meant}`?"),
        None => format!(
            "unknown action {shown:?}: it must be one of {}",
            ACTIONS.join(", ")
        ),
    }
}
