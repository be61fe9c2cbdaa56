//! Commands from JSON. One pass over the message finds its fields; only what the action needs is then
//! looked at. `data` is neither parsed nor copied: it stays a slice of the message.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tidegate_shared::job::{ATTEMPTS_LIMIT, JobId, Priority, TIME_LIMIT};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{IdempotencyKey, JobType, NameError, QueueName, StateKey};
use tidegate_shared::position::{Epoch, Since, Tag};
use tidegate_shared::topic::Topic;

use crate::dialect::nearest::nearest;
use crate::dialect::{Command, DecodeError, JobRequest, Request, RequestId};

const ACTIONS: [&str; 11] = [
    "subscribe",
    "unsubscribe",
    "publish",
    "set",
    "remove",
    "history",
    "presence",
    "submit",
    "cancel",
    "auth",
    "ping",
];
/// Actions of the protocol that this version does not have.
const LATER: [&str; 1] = ["call"];

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

fn even_null<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&'a RawValue>::deserialize(from).map(Some)
}

/// What is wrong with a message whose id is known.
enum Wrong {
    Rubbish(String),
    Later(String),
}

type Checked<T> = Result<T, Wrong>;

pub(super) fn request(message: &Bytes) -> Result<Request, DecodeError> {
    let envelope: Envelope<'_> = object(message).map_err(|text| DecodeError::rubbish(None, text))?;
    let id = id(envelope.id).map_err(|text| DecodeError::rubbish(None, text))?;
    match command(message, &envelope) {
        Ok(command) => Ok(Request { id, command }),
        Err(Wrong::Rubbish(text)) => Err(DecodeError::rubbish(id, text)),
        Err(Wrong::Later(text)) => Err(DecodeError::unsupported(id, text)),
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
        "auth" => Ok(Command::Auth {
            token: text("token", envelope.token.ok_or_else(|| missing("token"))?)?.into(),
        }),
        "cancel" => {
            let raw = envelope.job.ok_or_else(|| missing("job"))?;
            let id = JobId::parse(&text("job", raw)?);
            let job = id.map_err(|_| wrong_type("job", "the id of a job", raw))?;
            Ok(Command::Cancel { job })
        }
        "ping" => Ok(Command::Ping),
        other if LATER.contains(&other) => Err(Wrong::Later(later(&format!("the action `{other}`")))),
        other => Err(Wrong::Rubbish(unknown_action(other))),
    }
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

fn data(message: &Bytes, field: &str, raw: Option<&RawValue>) -> Checked<RawJson> {
    let raw = raw.ok_or_else(|| missing(field))?;
    Ok(RawJson::trusted(message.slice_ref(raw.get().as_bytes())))
}

fn name<T>(field: &str, raw: &RawValue, parse: fn(&str) -> Result<T, NameError>) -> Checked<T> {
    parse(&text(field, raw)?).map_err(|error| Wrong::Rubbish(format!("field `{field}`: {error}")))
}

fn text<'a>(field: &str, raw: &'a RawValue) -> Checked<Cow<'a, str>> {
    unquote(raw).ok_or_else(|| wrong_type(field, "a string", raw))
}

fn unquote(raw: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned),
    }
}

fn number(field: &str, raw: &RawValue) -> Checked<u64> {
    serde_json::from_str(raw.get()).map_err(|_| wrong_type(field, "a whole number from 0 up", raw))
}

fn boolean(field: &str, raw: &RawValue) -> Checked<bool> {
    serde_json::from_str(raw.get()).map_err(|_| wrong_type(field, "true or false", raw))
}

fn missing(field: &str) -> Wrong {
    Wrong::Rubbish(format!("field `{field}` is missing"))
}

fn wrong_type(field: &str, expected: &str, raw: &RawValue) -> Wrong {
    Wrong::Rubbish(format!("field `{field}` must be {expected}, not {}", kind(raw)))
}

fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') => "this string",
        Some(b'{') => "this object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "this number",
    }
}

fn later(what: &str) -> String {
    format!("this version does not have {what}")
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
