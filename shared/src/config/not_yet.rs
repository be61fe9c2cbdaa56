//! Keys and values that are part of the product but not of this version. They stop the start instead of
//! being ignored, except with the value that means what this version does anyway.
//!
//! Whoever builds a feature takes its line out of [`KEYS`], [`VALUES`] or [`SECTIONS`] and reads
//! the key in `file.rs`.

use super::shape::{Off, Shape};

#[derive(Debug)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) off: Off,
}

const fn key(section: &'static str, name: &'static str, shape: Shape, off: Off) -> Key {
    Key {
        section,
        name,
        shape,
        off,
    }
}

const ACCESS: Shape = Shape::OneOf(&["anyone", "users", "owner", "token", "nobody"]);

/// Single keys of sections that exist.
pub(super) const KEYS: &[Key] = &[
    key("gateway", "advertise", Shape::Text, Off::Nothing),
    key("gateway", "trusted_proxies", Shape::List, Off::Nothing),
    key("limits", "connections_per_user", Shape::Number, Off::Nothing),
    key("limits", "connections_per_address", Shape::Number, Off::Nothing),
    key("limits", "commands_per_second", Shape::Number, Off::Nothing),
    key("auth.jwt", "jwks_url", Shape::Text, Off::Nothing),
    key("endpoint", "app", Shape::Text, Off::Nothing),
    key("jobs", "submit", ACCESS, Off::Text("anyone")),
    key("jobs", "follow", ACCESS, Off::Text("anyone")),
    key("jobs", "cancel", ACCESS, Off::Text("anyone")),
    key("jobs", "call", ACCESS, Off::Text("anyone")),
    key("queue", "max_running", Shape::Number, Off::Nothing),
    key("telemetry", "otlp_endpoint", Shape::Text, Off::Nothing),
];

/// Values of keys that exist: the path of the key and its valid texts that this version does not know.
pub(super) const VALUES: &[(&str, &[&str])] = &[
    ("redis.url", &["rediss"]),
    ("namespace.subscribe", &["users", "owner", "token", "nobody"]),
    ("namespace.publish", &["users", "owner", "token", "nobody"]),
    ("namespace.set", &["users", "owner", "token", "nobody"]),
    ("namespace.history", &["users", "owner", "token", "nobody"]),
    ("namespace.see_presence", &["users", "owner", "token", "nobody"]),
    (
        "endpoint.dialect",
        &["tasks", "feed", "rpc", "rooms", "sync", "socketio", "centrifuge"],
    ),
];

/// A section none of whose keys exists yet.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) path: &'static str,
    /// Written `[[path]]`, any number of times.
    pub(super) repeated: bool,
    pub(super) keys: &'static [(&'static str, Shape)],
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        path: "auth.users",
        repeated: true,
        keys: &[
            ("name", Shape::Text),
            ("password_hash", Shape::Text),
            ("password_env", Shape::Text),
        ],
    },
    Section {
        path: "schedule",
        repeated: true,
        keys: &[
            ("name", Shape::Text),
            ("every", Shape::Time),
            ("cron", Shape::Text),
            ("time_zone", Shape::Text),
            ("job", Shape::Table),
            ("missed", Shape::OneOf(&["skip", "once", "all"])),
        ],
    },
];

/// The texts of `VALUES` for one key.
pub(super) fn values(path: &str) -> &'static [&'static str] {
    VALUES
        .iter()
        .find(|(key, _)| *key == path)
        .map_or(&[], |(_, values)| values)
}
