//! Where clients connect, and what is spoken there: `[[endpoint]]`.

use std::fmt;
use std::net::SocketAddr;

use super::mistake::{Wrong, echo};
use super::section::Section;
use super::value;

/// Longest path, in bytes.
const PATH_LIMIT: usize = 255;
/// Longest name of an application, in bytes.
const APP_LIMIT: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A part between slashes may be a parameter, as in `/ws/game/{room}/`.
    pub path: String,
    pub dialect: DialectName,
    /// Whose topics and methods its clients use. Empty: the one that the dialect was made for.
    pub app: String,
    pub anonymous: bool,
    /// An address of its own. Absent: the gateway's.
    pub listen: Option<SocketAddr>,
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

    /// All there are. The gateway has a table of what speaks them.
    pub const ALL: &[Self] = &[
        Self::NATIVE,
        Self::ECHO,
        Self("sync"),
        Self("feed"),
        Self("tasks"),
        Self::SOCKETIO,
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
    ("/bedrock/ws", "tasks", ""),
    ("/socket.io/", "socketio", "mud"),
];

impl Endpoint {
    /// One at the gateway's address, for the application that its dialect was made for.
    pub fn new(path: &str, dialect: DialectName) -> Self {
        Self {
            path: path.to_owned(),
            dialect,
            app: String::new(),
            anonymous: false,
            listen: None,
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

    /// Whether some request could be meant for both.
    fn collides(&self, path: &str, listen: Option<SocketAddr>) -> bool {
        self.listen == listen && shape(&self.path) == shape(path)
    }
}

/// The path without the names of its parameters.
fn shape(path: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

pub(super) fn read(root: &mut Section<'_, '_, '_>, anonymous: bool, endpoints: &mut Vec<Endpoint>) {
    let dialects: Vec<(&str, DialectName)> =
        DialectName::ALL.iter().map(|one| (one.as_str(), *one)).collect();
    let mut read: Vec<Endpoint> = Vec::new();
    let count = root.each("endpoint", |section| {
        let at_path = section.required("path", path);
        let dialect = section.choice("dialect", &dialects);
        let app = section.text("app", app).unwrap_or_default();
        let anonymous = section.flag("anonymous").unwrap_or(anonymous);
        let listen = section.text("listen", value::address);
        let Some(path) = at_path else { return };
        if listen.is_none()
            && let Err(wrong) = not_taken(&path)
        {
            section.wrong("path", section.place_of("path"), wrong);
            return;
        }
        if let Some(other) = read.iter().find(|other| other.collides(&path, listen)) {
            let wrong = Wrong::new(
                format!("the path `{}` belongs to another endpoint already", other.path),
                "give each endpoint a path of its own",
            );
            section.wrong("path", section.place_of("path"), wrong);
            return;
        }
        read.push(Endpoint {
            app,
            anonymous,
            listen,
            ..Endpoint::new(&path, dialect.unwrap_or(DialectName::NATIVE))
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

fn path(text: &str) -> Result<String, Wrong> {
    let wrong = |what: &str| {
        Err(Wrong::new(
            format!("{} {what}", echo(text)),
            "write a path as \"/ws\" or \"/rooms/{room}\"",
        ))
    };
    let Some(parts) = text.strip_prefix('/') else {
        return wrong("does not begin with a slash");
    };
    if text.len() > PATH_LIMIT {
        return wrong("is longer than 255 bytes");
    }
    let mut parameters: Vec<&str> = Vec::new();
    for part in parts.split('/') {
        let parameter = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = parameter {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return wrong("has a parameter whose name is not letters, digits and `_`");
            }
            if parameters.contains(&name) {
                return wrong("has the same parameter twice");
            }
            parameters.push(name);
        // The rest would mean something to the router or never arrive in a request line.
        } else if !part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        {
            return wrong(
                "contains what is not a letter, a digit or one of `/-._~`, nor a `{parameter}` between slashes",
            );
        }
    }
    Ok(text.to_owned())
}

/// Not one of the gateway's own paths.
fn not_taken(path: &str) -> Result<(), Wrong> {
    let mut parts = path.split('/').skip(1);
    match parts.next() {
        Some("api" | "events") => Err(Wrong::new(
            format!("{} belongs to the HTTP API", echo(path)),
            "write a path as \"/ws\"",
        )),
        Some(first) if first.starts_with('{') => Err(Wrong::new(
            format!("{} would take the paths of the HTTP API", echo(path)),
            "let it begin with a fixed part, as \"/rooms/{room}\"",
        )),
        _ => Ok(()),
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

    #[test]
    fn a_path_may_have_parameters_between_slashes() {
        for text in ["/ws", "/", "/ws/game/{room}/", "/{a}/{b}"] {
            assert_eq!(path(text).ok().as_deref(), Some(text));
        }
        for text in [
            "ws", "/a{b}", "/{}", "/{a b}", "/{a}/{a}", "/{*rest}", "/a b", "/ü",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints_collide_whatever_their_parameters_are_called() {
        let one = Endpoint::new("/ws/{room}", DialectName::NATIVE);
        assert!(one.collides("/ws/{other}", None));
        assert!(!one.collides("/ws/{other}/", None));
        assert!(!one.collides("/ws/{room}", Some(SocketAddr::from(([0, 0, 0, 0], 1)))));
    }

    #[test]
    fn the_paths_of_the_api_are_taken() {
        for text in ["/api", "/api/x", "/events", "/{room}"] {
            assert!(not_taken(text).is_err(), "{text}");
        }
        assert!(not_taken("/apis").is_ok());
    }
}
