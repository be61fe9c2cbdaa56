//! What clients of the map say.

use bytes::Bytes;
use serde_json::value::RawValue;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::StateKey;
use tidegate_shared::topic::Topic;

use super::{Part, key};
use crate::dialect::fields::{Fields, number, raw, text};
use crate::dialect::json::Object;
use crate::dialect::{Command, DecodeError, Decoded, Request};

/// Longest name of a kind of marker, user id and time, in bytes.
const NAME_LIMIT: usize = 64;

pub(super) fn message(message: &Bytes, app: &str) -> Result<Decoded, DecodeError> {
    let Some(fields) = Fields::parse(message) else {
        return Err(DecodeError::rubbish(None, "a message is a JSON object"));
    };
    match fields.text("type").as_deref() {
        Some("marker_add") => marker_add(&fields, app),
        Some("marker_remove") => Ok(marker_remove(&fields, app)),
        Some("position_update") => position(message, &fields, app),
        Some("chat_message") => Ok(chat(message, app)),
        Some("ping") => Ok(ping(&fields)),
        _ => Ok(Decoded::Nothing),
    }
}

/// What is wrong with a marker or a position: it is not taken, and its sender is told.
fn refused(what: &str) -> DecodeError {
    DecodeError::unsupported(None, what)
}

fn marker_add(fields: &Fields<'_>, app: &str) -> Result<Decoded, DecodeError> {
    let marker = fields.get("marker").and_then(Fields::of);
    let Some(marker) = marker else {
        return Err(refused("marker_add: `marker` is missing, or no object"));
    };
    for name in ["x", "y"] {
        if marker.get(name).and_then(number).is_none() {
            return Err(refused("marker_add: `x` and `y` of a marker are numbers"));
        }
    }
    if !marker.text("type").is_some_and(|kind| is_name(&kind)) {
        return Err(refused(
            "marker_add: `type` of a marker is a text of 1 to 64 bytes",
        ));
    }
    let id = match (word(&marker, "user_id"), word(&marker, "timestamp")) {
        (Some(user), Some(time)) => format!("{user}_{time}"),
        _ => {
            return Err(refused(
                "marker_add: a marker has a `user_id` and a `timestamp` of 1 to 64 bytes",
            ));
        }
    };
    let (Some(topic), Some(key)) = (Part::Markers.topic(app), key::of_id(&id)) else {
        return Err(refused("marker_add: `user_id` and `timestamp` make no id"));
    };
    // The id comes last, and is the server's to give.
    let mut value = Vec::new();
    let mut object = Object::begin(&mut value);
    marker.write_without("id", &mut object);
    object.text("id", &id);
    object.end();
    Ok(set(topic, key, RawJson::trusted(value.into())))
}

/// Nobody is told of the removal of what is not there: who is told takes it off its map, and that is
/// reported as a removal again.
fn marker_remove(fields: &Fields<'_>, app: &str) -> Decoded {
    let id = fields.get("marker_id").and_then(|id| match text(id) {
        Some(id) => key::of_id(&id),
        None => key::of_id(id.get()),
    });
    match (Part::Markers.topic(app), id) {
        (Some(topic), Some(key)) => Request::granted(None, Command::Remove { topic, key })
            .quiet()
            .into(),
        _ => Decoded::Nothing,
    }
}

/// Who has no user id is nobody; it is not told.
fn position(message: &Bytes, fields: &Fields<'_>, app: &str) -> Result<Decoded, DecodeError> {
    let Some(player) = fields.get("player") else {
        return Ok(Decoded::Nothing);
    };
    let Some(inner) = Fields::of(player) else {
        return Ok(Decoded::Nothing);
    };
    let is_nobody = |id: &RawValue| {
        matches!(id.get(), "null" | "false" | "\"\"" | "[]" | "{}") || number(id) == Some(0.0)
    };
    if inner.get("user_id").is_none_or(is_nobody) {
        return Ok(Decoded::Nothing);
    }
    for name in ["x", "y"] {
        if inner.get(name).is_some_and(|value| number(value).is_none()) {
            return Err(refused("position_update: `x` and `y` of a player are numbers"));
        }
    }
    let key = word(&inner, "user_id").and_then(|user| key::of_id(&user));
    let (Some(topic), Some(key)) = (Part::Positions.topic(app), key) else {
        return Err(refused(
            "position_update: `user_id` is a number or a text of 1 to 64 bytes",
        ));
    };
    // What stands beside the player is passed on, too.
    let value = if fields.has_only(&["type", "player"]) {
        raw(message, player)
    } else {
        RawJson::trusted(message.clone())
    };
    Ok(set(topic, key, value))
}

fn chat(message: &Bytes, app: &str) -> Decoded {
    let Some(topic) = Part::Chat.topic(app) else {
        return Decoded::Nothing;
    };
    let command = Command::Publish {
        topic,
        data: RawJson::trusted(message.clone()),
        event: None,
        key: None,
    };
    Request::granted(None, command).quiet().into()
}

fn ping(fields: &Fields<'_>) -> Decoded {
    let mut message = Vec::new();
    let mut pong = Object::typed(&mut message, "pong");
    let timestamp = fields.get("timestamp").map_or("null", RawValue::get);
    pong.field("timestamp").extend_from_slice(timestamp.as_bytes());
    pong.end();
    Decoded::Answer {
        action: "ping",
        message,
    }
}

fn set(topic: Topic, key: StateKey, value: RawJson) -> Decoded {
    let command = Command::Set {
        topic,
        key,
        value,
        ttl: None,
    };
    Request::granted(None, command).quiet().into()
}

/// A text or a number, as it is spelled.
fn word(fields: &Fields<'_>, name: &str) -> Option<String> {
    let value = fields.get(name)?;
    let word = match text(value) {
        Some(text) => text.into_owned(),
        None => number(value).map(|_| value.get().to_owned())?,
    };
    is_name(&word).then_some(word)
}

fn is_name(text: &str) -> bool {
    (1..=NAME_LIMIT).contains(&text.len())
}
