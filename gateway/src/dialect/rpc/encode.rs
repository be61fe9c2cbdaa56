//! What clients are sent. Every response has all its fields, in one order.

use serde_json::value::RawValue;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::iso;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::EventName;
use tidegate_shared::publication::{Body, Publication};

use super::EVENTS;
use super::operation::{AUTH, Asked, PING, PING_OF_USER};
use crate::dialect::json::Object;
use crate::dialect::{Failure, Reply, Roll, Welcome};

pub(super) fn welcome(welcome: &Welcome<'_>, out: &mut Vec<u8>) {
    let time = iso::local(welcome.time_ms);
    let mut object = Object::begin(out);
    object.text("event", "connected");
    let mut data = Object::begin(object.field("data"));
    data.text("message", "WebSocket connection established");
    data.text("server_time", &time);
    data.number("connection_id", number_of(&welcome.session.to_string()));
    data.boolean("events_enabled", true);
    data.end();
    object.text("type", "event");
    object.text("timestamp", &time);
    null("id", &mut object);
    object.end();
}

/// A number for a session that every client can hold: the last 48 of its random bits.
fn number_of(session: &str) -> u64 {
    let digits = session.len().saturating_sub(12);
    session
        .get(digits..)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or_default()
}

pub(super) fn reply(asked: &Asked<'_>, reply: &Reply, out: &mut Vec<u8>) {
    match (asked.operation, reply) {
        (PING | PING_OF_USER, Reply::Presence { roll, .. }) => out.extend(pong(asked, Some(roll))),
        // It is alive, whatever else is not.
        (PING | PING_OF_USER, _) => out.extend(pong(asked, None)),
        (AUTH, Reply::Authenticated { .. }) => response(asked, Ok(AUTHENTICATED.as_bytes()), out),
        (AUTH, Reply::Failed(failure)) => {
            let words = match failure.code {
                ErrorCode::Unauthorized => "Invalid credentials",
                _ => &failure.message,
            };
            response(asked, Err(words), out);
        }
        (_, Reply::Result { data }) => response(asked, Ok(data.as_bytes()), out),
        (_, Reply::Failed(failure)) => response(asked, Err(&told(failure)), out),
        _ => {}
    }
}

const AUTHENTICATED: &str =
    r#"{"authenticated":true,"user_type":"admin","message":"Authentication successful"}"#;

/// What went wrong inside of an operation is told as such.
fn told(failure: &Failure) -> String {
    match failure.code {
        ErrorCode::Unauthorized | ErrorCode::BadRequest => failure.message.clone(),
        _ => format!("Internal server error: {}", failure.message),
    }
}

fn response(asked: &Asked<'_>, outcome: Result<&[u8], &str>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("operation", asked.operation);
    object.boolean("success", outcome.is_ok());
    object.text("type", "response");
    object.text("timestamp", &iso::local(asked.time_ms));
    spelled("id", asked.id, &mut object);
    match outcome {
        Ok(data) => {
            object.field("data").extend_from_slice(data);
            null("error", &mut object);
        }
        Err(words) => {
            null("data", &mut object);
            object.text("error", words);
        }
    }
    object.end();
}

pub(super) fn refusal(asked: &Asked<'_>, words: &str) -> Vec<u8> {
    let mut out = Vec::new();
    response(asked, Err(words), &mut out);
    out
}

/// An error before anything was done.
pub(super) fn error(id: &str, words: &str, time_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::typed(&mut out, "error");
    object.text("error", words);
    object.text("error_code", "VALIDATION_ERROR");
    object.text("error_message", words);
    spelled("id", id, &mut object);
    object.text("timestamp", &iso::local(time_ms));
    object.end();
    out
}

pub(super) fn pong(asked: &Asked<'_>, roll: Option<&Roll>) -> Vec<u8> {
    let mut out = Vec::new();
    let time = iso::local(asked.time_ms);
    let mut object = Object::typed(&mut out, "pong");
    spelled("id", asked.id, &mut object);
    let mut data = Object::begin(object.field("data"));
    data.text("server_time", &time);
    if let Some(roll) = roll {
        let known = roll.members.iter().filter(|member| member.user.is_some()).count();
        // The list has who they were when they came. One who asks knows better.
        let known = known.max(usize::from(asked.operation == PING_OF_USER));
        data.number("connection_count", roll.count as u64);
        data.number("authenticated_count", known as u64);
    } else {
        null("connection_count", &mut data);
        null("authenticated_count", &mut data);
    }
    data.end();
    object.text("timestamp", &time);
    object.end();
    out
}

/// What everybody is told. What else happens to a topic is nobody's business here.
pub(super) fn event(publication: &Publication) -> Option<(&EventName, &RawJson)> {
    match &publication.body {
        Body::Message {
            data,
            event: Some(event),
        } if publication.topic.as_str().ends_with(EVENTS) => Some((event, data)),
        _ => None,
    }
}

pub(super) fn publication(publication: &Publication, out: &mut Vec<u8>) {
    let Some((event, data)) = event(publication) else {
        return;
    };
    let mut object = Object::typed(out, "event");
    object.text("event", event.as_str());
    // Some clients look for the name here.
    object.text("event_type", event.as_str());
    object.raw("data", data);
    object.text("timestamp", &iso::utc(publication.time_ms));
    object.end();
}

fn null(name: &'static str, object: &mut Object<'_>) {
    object.field(name).extend_from_slice(b"null");
}

/// What came from a client, as it was spelled.
fn spelled(name: &'static str, value: &str, object: &mut Object<'_>) {
    // An id that was cut or made elsewhere must not break the message.
    let is_json = serde_json::from_str::<&RawValue>(value).is_ok();
    let value = if is_json { value } else { "null" };
    object.field(name).extend_from_slice(value.as_bytes());
}
