//! What players send.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::MethodName;
use tidegate_shared::topic::Topic;

use super::{Kind, app, encode};
use crate::dialect::fields::Fields;
use crate::dialect::json::Object;
use crate::dialect::{CallRequest, Command, Decoded, Entrance, Request};

/// Longest message, in bytes: a line of a player is short.
const LIMIT: usize = 16 * 1024;
/// For the game to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most characters of what a client has sent that it is told again.
const ECHO: usize = 64;

pub(super) fn on_connect(entrance: &Entrance) -> Vec<Request> {
    let app = app(entrance);
    let topic = match Kind::of(entrance) {
        Kind::Room(room) => format!("{app}:room:{room}"),
        Kind::Game => format!("{app}:all"),
        Kind::Chat => format!("{app}:chat"),
    };
    let mut requests = Vec::new();
    if let Ok(topic) = Topic::parse(&topic) {
        requests.push(Request::follow(topic));
    }
    if Kind::of(entrance) == Kind::Game {
        let nothing = || RawJson::trusted(Bytes::from_static(b"{}"));
        for method in ["enter", "look", "missed"] {
            requests.extend(call(entrance, method, nothing()));
        }
    }
    requests
}

pub(super) fn message(message: &Bytes, entrance: &Entrance) -> Decoded {
    if message.len() > LIMIT {
        return wrong("Message too long");
    }
    let kind = Kind::of(entrance);
    let Some(fields) = Fields::parse(message) else {
        return wrong("Invalid JSON");
    };
    match kind {
        Kind::Room(room) => match fields.get("action") {
            Some(_) => action(message, room, entrance),
            None => wrong("A message is a JSON object with an `action`"),
        },
        Kind::Chat => match fields.text("message") {
            Some(line) => said(entrance, "chat", &line),
            None => wrong("A chat message has a text `message`"),
        },
        Kind::Game => match fields.text("type").as_deref() {
            Some("ping") => answer("ping", br#"{"type":"pong"}"#.to_vec()),
            Some("command") => match line(&fields) {
                Some(line) => said(entrance, "command", &line),
                None => wrong("A command has a text `command`"),
            },
            other => {
                let kind: String = other.unwrap_or("None").chars().take(ECHO).collect();
                wrong(&format!("Unknown message type: {kind}"))
            }
        },
    }
}

/// A command as a line: as it is, or of an action and what it is about.
fn line<'a>(fields: &Fields<'a>) -> Option<Cow<'a, str>> {
    if let Some(line) = fields.text("command") {
        return Some(line);
    }
    let mut line = fields.text("action")?.into_owned();
    for name in ["direction", "target", "item", "message", "text"] {
        if let Some(word) = fields.text(name) {
            line.push(' ');
            line.push_str(&word);
        }
    }
    Some(line.into())
}

fn said(entrance: &Entrance, method: &str, text: &str) -> Decoded {
    let mut data = Vec::new();
    let mut object = Object::begin(&mut data);
    object.text("text", text);
    object.end();
    called(entrance, method, data)
}

fn action(message: &Bytes, room: &str, entrance: &Entrance) -> Decoded {
    let mut data = Vec::new();
    let mut object = Object::begin(&mut data);
    object.text("room", room);
    object.field("message").extend_from_slice(message);
    object.end();
    called(entrance, "action", data)
}

fn called(entrance: &Entrance, method: &str, data: Vec<u8>) -> Decoded {
    match call(entrance, method, RawJson::trusted(data.into())) {
        Some(request) => request.into(),
        None => Decoded::Nothing,
    }
}

/// `None` if the application's name makes no method.
fn call(entrance: &Entrance, method: &str, data: RawJson) -> Option<Request> {
    let request = CallRequest {
        method: MethodName::parse(&format!("{}.{method}", app(entrance))).ok()?,
        data,
        timeout: Some(TIMEOUT),
    };
    Some(Request::granted(None, Command::Call(Box::new(request))))
}

fn wrong(message: &str) -> Decoded {
    let mut out = Vec::new();
    encode::error(message, &mut out);
    answer("invalid", out)
}

fn answer(action: &'static str, message: Vec<u8>) -> Decoded {
    Decoded::Answer { action, message }
}
