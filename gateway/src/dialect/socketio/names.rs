//! What Socket.IO's names stand for: rooms are topics.
//!
//! A room `a` of the namespace `/` is the topic `a`, and of a namespace `/chat`, which the configuration
//! must have, the topic `chat:a`. In the application `mud` a room of `/` is a room of the game.

use std::fmt::Write;

use serde_json::Value;
use tidegate_shared::config::Config;
use tidegate_shared::json::RawJson;
use tidegate_shared::topic::Topic;

use super::packet::ROOT;

/// Topics of the rooms of the game begin with it.
const MUD_ROOM: &str = "mud:room:";
/// What concerns everybody in the game.
const MUD_WORLD: &str = "mud:world";
/// What happens in the game.
pub(super) const UPDATE: &str = "world_update";

/// What the events of the namespace `/` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum App {
    Plain,
    Mud,
}

impl App {
    pub fn of_name(name: &str) -> Self {
        if name == "mud" { Self::Mud } else { Self::Plain }
    }

    /// Whether the namespace is the game's.
    pub(super) fn is_game(self, namespace: &str) -> bool {
        self == Self::Mud && namespace == ROOT
    }

    /// The topic of a room. `None` if there cannot be one of this name.
    pub(super) fn topic(self, namespace: &str, room: &str) -> Option<Topic> {
        let mut text = if self.is_game(namespace) {
            MUD_ROOM.to_owned()
        } else if namespace == ROOT {
            String::new()
        } else {
            format!("{}:", namespace.trim_start_matches('/'))
        };
        for c in room.chars() {
            if matches!(c, '{' | '}' | '%') || c.is_whitespace() || c.is_control() {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "%{byte:02X}");
                }
            } else {
                text.push(c);
            }
        }
        Topic::parse(&text).ok().filter(|_| !room.is_empty())
    }

    /// The topic that everybody in a namespace follows, if there is one.
    pub(super) fn common(self, namespace: &str) -> Option<Topic> {
        let topic = self.is_game(namespace).then(|| Topic::parse(MUD_WORLD));
        topic.and_then(Result::ok)
    }
}

/// Whether there is a namespace of this name.
pub(super) fn exists(config: &Config, namespace: &str) -> bool {
    namespace == ROOT
        || namespace
            .strip_prefix('/')
            .is_some_and(|name| config.namespaces.is_named(name))
}

/// What a publication that names no event is to clients.
pub(super) fn default_event(topic: &Topic) -> &'static str {
    if topic.as_str().starts_with(MUD_ROOM) || topic.as_str() == MUD_WORLD {
        UPDATE
    } else {
        "message"
    }
}

/// The room that an argument names, by itself or in a field: its name, and how the client wrote it.
pub(super) fn room(argument: Option<&RawJson>) -> Option<(String, RawJson)> {
    let argument = argument?;
    let value: Value = serde_json::from_str(argument.as_str()).ok()?;
    let (value, spelling) = match value {
        Value::Object(mut map) => {
            let value = map.remove("room_id").or_else(|| map.remove("room"))?;
            let spelling = RawJson::of(&value).ok()?;
            (value, spelling)
        }
        value => (value, argument.clone()),
    };
    match value {
        Value::String(text) => Some((text, spelling)),
        Value::Number(number) => Some((number.to_string(), spelling)),
        _ => None,
    }
}
