//! What clients send. What is wrong with it is answered in the words that they know.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_shared::config::Secret;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::MethodName;
use tidegate_shared::pileup::OPERATIONS;

use super::operation::{AUTH, Asked, PING, PING_OF_USER};
use super::{encode, events};
use crate::dialect::fields::{Fields, raw, text};
use crate::dialect::{CallRequest, Command, Decoded, Request, Speaker};

const TYPES: [&str; 7] = ["request", "response", "auth", "ping", "pong", "event", "error"];

/// What metrics call a message that is not understood.
const INVALID: &str = "invalid";

/// What is wrong, in words.
type Checked<T> = Result<T, String>;

pub(super) fn message(message: &Bytes, speaker: &Speaker<'_>) -> Decoded {
    let invalid = |id: &str, words: &str| Decoded::Answer {
        action: INVALID,
        message: encode::error(id, words, speaker.time_ms),
    };
    let value: &RawValue = match serde_json::from_slice(message) {
        Ok(value) => value,
        Err(error) => return invalid("null", &format!("Invalid JSON format: {error}")),
    };
    let fields = Fields::of(value);
    let id = fields.as_ref().and_then(|fields| fields.get("id"));
    let id = id.map_or("null", RawValue::get);
    let Some(fields) = fields.filter(|fields| fields.get("type").is_some()) else {
        return invalid(id, "Message validation failed: Missing required field 'type'");
    };
    match understood(message, &fields, id, speaker) {
        Ok(decoded) => decoded,
        Err(words) => invalid(id, &words),
    }
}

fn understood(message: &Bytes, fields: &Fields<'_>, id: &str, speaker: &Speaker<'_>) -> Checked<Decoded> {
    let failed = |words: &str| format!("Message validation failed: {words}");
    let kind = fields.get("type").map(python).unwrap_or_default();
    match kind.as_str() {
        "'request'" => {
            let operation = fields
                .get("operation")
                .ok_or_else(|| failed("Request messages must include 'operation' field"))?;
            let operation = text(operation)
                .and_then(|text| OPERATIONS.iter().find(|one| **one == text))
                .ok_or_else(|| failed(&format!("Invalid operation {}", python(operation))))?;
            request(message, fields, operation, id, speaker)
        }
        "'auth'" => auth(fields, id, speaker),
        "'ping'" => Ok(ping(id, speaker)),
        _ => {
            let known = TYPES.iter().find(|one| kind == format!("'{one}'"));
            Err(if let Some(known) = known {
                format!("Unsupported message type for parsing: {known}")
            } else {
                let valid = TYPES.map(|one| format!("'{one}'")).join(", ");
                failed(&format!("Invalid message type {kind}. Valid types: [{valid}]"))
            })
        }
    }
}

fn request(
    message: &Bytes,
    fields: &Fields<'_>,
    operation: &str,
    id: &str,
    speaker: &Speaker<'_>,
) -> Checked<Decoded> {
    let data = fields.get("data").filter(|data| !is_null(data));
    let empty = Fields::parse(b"{}");
    let given = match data {
        Some(data) => Fields::of(data),
        None => empty,
    };
    let given = given.ok_or_else(|| "Invalid request data: Request data must be an object".to_owned())?;
    check(operation, &given).map_err(|words| format!("Invalid request data: {words}"))?;
    let method = MethodName::parse(&format!("{}.{operation}", speaker.entrance.app))
        .map_err(|error| format!("Message validation failed: {error}"))?;
    let call = CallRequest {
        method,
        data: data.map_or_else(RawJson::null, |data| raw(message, data)),
        timeout: None,
    };
    let asked = Asked {
        operation,
        time_ms: speaker.time_ms,
        id,
    };
    Ok(Request::granted(Some(asked.to_id()), Command::Call(Box::new(call))).into())
}

/// Whether the operation's data is what it needs.
fn check(operation: &str, data: &Fields<'_>) -> Checked<()> {
    let needs = match operation {
        "queue.register" | "queue.get_status" | "admin.remove_callsign" => "callsign",
        "admin.set_frequency" => "frequency",
        "admin.set_split" => "split",
        "admin.set_system_status" => "active",
        _ => return Ok(()),
    };
    let value = data
        .get(needs)
        .ok_or_else(|| format!("Operation '{operation}' requires '{needs}' field"))?;
    let words = text(value);
    match needs {
        "callsign" => {
            let length = words.as_deref().map_or(0, |words| words.trim().chars().count());
            match length {
                0 => Err("Callsign cannot be empty".into()),
                3..=10 => Ok(()),
                _ => Err("Callsign must be between 3 and 10 characters".into()),
            }
        }
        "active" if bool::deserialize(value).is_ok() => Ok(()),
        "active" => Err("'active' field must be a boolean".into()),
        _ if words.is_some_and(|words| !words.trim().is_empty()) => Ok(()),
        "split" => Err("Split must be a non-empty string".into()),
        _ => Err("Frequency must be a non-empty string".into()),
    }
}

fn auth(fields: &Fields<'_>, id: &str, speaker: &Speaker<'_>) -> Checked<Decoded> {
    let failed = |words: &str| Err(format!("Message validation failed: {words}"));
    let Some(data) = fields.get("data").and_then(Fields::of) else {
        return failed("Auth messages must include 'data' field");
    };
    let (Some(user), Some(password)) = (data.get("username"), data.get("password")) else {
        return failed("Auth data must include 'username' and 'password' fields");
    };
    let asked = Asked {
        operation: AUTH,
        time_ms: speaker.time_ms,
        id,
    };
    let given = |value| text(value).filter(|text| !text.is_empty());
    let (Some(user), Some(password)) = (given(user), given(password)) else {
        return Ok(Decoded::Answer {
            action: "login",
            message: encode::refusal(&asked, "Username and password required"),
        });
    };
    let login = Command::Login {
        user: user.into(),
        password: Secret::new(&password),
    };
    Ok(Request::granted(Some(asked.to_id()), login).into())
}

/// How many there are is what the list of those who hear the events says.
fn ping(id: &str, speaker: &Speaker<'_>) -> Decoded {
    let operation = match speaker.user {
        Some(_) => PING_OF_USER,
        None => PING,
    };
    let asked = Asked {
        operation,
        time_ms: speaker.time_ms,
        id,
    };
    match events(&speaker.entrance.app) {
        Some(topic) => {
            let command = Command::Presence {
                topic,
                limit: Some(u64::MAX),
            };
            Request::granted(Some(asked.to_id()), command).into()
        }
        None => Decoded::Answer {
            action: PING,
            message: encode::pong(&asked, None),
        },
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// A value as these clients' own server printed it.
fn python(value: &RawValue) -> String {
    const SHOWN: usize = 64;
    match text(value) {
        Some(text) => format!("'{}'", text.chars().take(SHOWN).collect::<String>()),
        None if is_null(value) => "None".into(),
        None => value.get().chars().take(SHOWN).collect(),
    }
}
