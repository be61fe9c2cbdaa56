//! Where clients connect, and what is spoken there: `[[endpoint]]`.

mod path;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use path::API_NAMES;

use super::mistake::{Wrong, echo};
use super::section::Section;
use super::value;

/// Longest name of an application, in bytes.
const APP_LIMIT: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A part between slashes may be a parameter, as in `/ws/game/{room}/`; the last one may be all that
    /// follows, as in `/api/queue/{*rest}`.
    pub path: String,
    pub dialect: DialectName,
    /// Whose topics and methods its clients use. Empty: the one that the dialect was made for.
    pub app: String,
    pub anonymous: bool,
    /// An address of its own. Absent: the gateway's.
    pub listen: Option<SocketAddr>,
    /// Most connections of it on one node. 0: as many as the node may have.
    pub connections: usize,
    /// Interval of the server's WebSocket pings. Absent: that of `limits`.
    pub ping: Option<Duration>,
}

/// What an endpoint speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DialectName(&'static str);

impl DialectName {
    pub const NATIVE: Self = Self("native");
    /// Every message comes back: for conformance suites.
    pub const ECHO: Self = Self("echo");
    /// Requests of `Engine.IO` clients and their sockets, so not what other endpoints are.
    pub const SOCKETIO: Self = Self("socketio");

    /// Requests over HTTP, each a call of the application.
    pub const HTTP: Self = Self("http");
    /// What an application tells everybody, as Server-Sent Events.
    pub const EVENTS: Self = Self("events");
    pub const RPC: Self = Self("rpc");

    /// All there are. The gateway has a table of what speaks them.
    pub const ALL: &[Self] = &[
        Self::NATIVE,
        Self::ECHO,
        Self("sync"),
        Self("feed"),
        Self("tasks"),
        Self("rooms"),
        Self::SOCKETIO,
        Self::RPC,
        Self::HTTP,
        Self::EVENTS,
    ];

    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for DialectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Path, dialect and application of the endpoints that there are when the file names none.
const BUILT_IN: &[(&str, &str, &str)] = &[
    ("/ws", "native", ""),
    ("/arma/ws", "sync", ""),
    ("/ark/ws", "feed", ""),
    ("/ark/api/{*rest}", "http", "ark"),
    ("/bedrock/ws", "tasks", ""),
    ("/bedrock/api/{*rest}", "http", "bedrock"),
    ("/ws/game/", "rooms", "mud"),
    ("/ws/game/{room}/", "rooms", "mud"),
    ("/ws/chat/", "rooms", "mud-chat"),
    ("/socket.io/", "socketio", "mud"),
    ("/ws/connect", "rpc", "pileup"),
    ("/api/public/{*rest}", "http", "pileup"),
    ("/api/queue/{*rest}", "http", "pileup"),
    ("/api/admin/{*rest}", "http", "pileup"),
    ("/api/events/stream", "events", "pileup"),
    ("/status", "http", "pileup"),
];

/// What clients of the dialect `rpc` were told of their server.
const RPC_CONNECTIONS: usize = 100;
const RPC_PING: Duration = Duration::from_secs(30);

impl Endpoint {
    /// One at the gateway's address, for the application that its dialect was made for.
    pub fn new(path: &str, dialect: DialectName) -> Self {
        let (connections, ping) = match dialect {
            DialectName::RPC => (RPC_CONNECTIONS, Some(RPC_PING)),
            _ => (0, None),
        };
        Self {
            path: path.to_owned(),
            dialect,
            app: String::new(),
            anonymous: false,
            listen: None,
            connections,
            ping,
        }
    }

    pub(super) fn built_in() -> Vec<Self> {
        let dialect = |name: &str| DialectName::ALL.iter().find(|one| one.as_str() == name);
        BUILT_IN
            .iter()
            .filter_map(|(path, name, app)| {
                Some(Self {
                    app: (*app).to_owned(),
                    ..Self::new(path, *dialect(name)?)
                })
            })
            .collect()
    }
}

pub(super) fn read(root: &mut Section<'_, '_, '_>, anonymous: bool, endpoints: &mut Vec<Endpoint>) {
    let dialects: Vec<(&str, DialectName)> =
        DialectName::ALL.iter().map(|one| (one.as_str(), *one)).collect();
    let mut read: Vec<Endpoint> = Vec::new();
    let count = root.each("endpoint", |section| {
        let at_path = section.required("path", path::parse);
        let dialect = section.choice("dialect", &dialects);
        let app = section.text("app", app).unwrap_or_default();
        let anonymous = section.flag("anonymous").unwrap_or(anonymous);
        let listen = section.text("listen", value::address);
        let connections = section.number("connections", &(0..=1_000_000));
        let ping = section.time("ping", &(Duration::from_millis(100)..=Duration::from_secs(3_600)));
        let Some(path) = at_path else { return };
        let dialect = dialect.unwrap_or(DialectName::NATIVE);
        if dialect == DialectName::HTTP && app.is_empty() {
            let wrong = Wrong::new(
                "an endpoint of the dialect \"http\" needs it",
                "say whose method answers its requests, as app = \"pileup\"",
            );
            section.wrong("app", section.place_of("app"), wrong);
            return;
        }
        if let Err(wrong) = path::fits(&path, dialect, listen) {
            section.wrong("path", section.place_of("path"), wrong);
            return;
        }
        if let Some(other) = read
            .iter()
            .find(|other| other.listen == listen && path::collide(&other.path, &path))
        {
            let wrong = Wrong::new(
                format!("the path `{}` belongs to another endpoint already", other.path),
                "give each endpoint a path of its own",
            );
            section.wrong("path", section.place_of("path"), wrong);
            return;
        }
        let usual = Endpoint::new(&path, dialect);
        read.push(Endpoint {
            app,
            anonymous,
            listen,
            connections: connections.unwrap_or(usual.connections),
            ping: ping.or(usual.ping),
            ..usual
        });
    });
    if count > 0 {
        *endpoints = read;
    } else {
        for endpoint in endpoints {
            endpoint.anonymous |= anonymous;
        }
    }
}

fn app(text: &str) -> Result<String, Wrong> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if text.len() <= APP_LIMIT && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{} is not a name for an application", echo(text)),
        "write letters, digits, `.`, `_` and `-`, as \"pileup\"; at most 64",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_endpoints_speak_what_there_is() {
        assert_eq!(Endpoint::built_in().len(), BUILT_IN.len());
    }
}
