//! What the path of an endpoint may be, so that each request is meant for one thing only.

use std::net::SocketAddr;

use super::DialectName;
use crate::config::mistake::{Wrong, echo};

/// Longest path, in bytes.
const LIMIT: usize = 255;

/// What the gateway's own API has below `/api/`. The rest is for endpoints of the dialects `http` and
/// `events`.
pub const API_NAMES: &[&str] = &[
    "batch",
    "broadcast",
    "call",
    "disconnect",
    "history",
    "info",
    "jobs",
    "openapi.json",
    "presence",
    "publish",
    "queues",
    "remove",
    "schedules",
    "set",
    "subscribe",
    "unsubscribe",
];

pub(super) fn parse(text: &str) -> Result<String, Wrong> {
    let wrong = |what: &str| {
        Err(Wrong::new(
            format!("{} {what}", echo(text)),
            "write a path as \"/ws\" or \"/rooms/{room}\"",
        ))
    };
    let Some(parts) = text.strip_prefix('/') else {
        return wrong("does not begin with a slash");
    };
    if text.len() > LIMIT {
        return wrong("is longer than 255 bytes");
    }
    let mut parameters: Vec<&str> = Vec::new();
    let mut all = false;
    for part in parts.split('/') {
        if all {
            return wrong("goes on after all that follows");
        }
        let parameter = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = parameter {
            all = name.starts_with('*');
            let name = name.strip_prefix('*').unwrap_or(name);
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

/// Whether what is spoken there may have this path, at an address of its own or the gateway's.
pub(super) fn fits(path: &str, dialect: DialectName, listen: Option<SocketAddr>) -> Result<(), Wrong> {
    let is_http = [DialectName::HTTP, DialectName::EVENTS].contains(&dialect);
    if dialect != DialectName::HTTP && path.contains("{*") {
        return Err(Wrong::new(
            format!(
                "{} takes all that follows, which only the dialect \"http\" can",
                echo(path)
            ),
            "write a parameter as \"/rooms/{room}\"",
        ));
    }
    if listen.is_some() {
        return Ok(());
    }
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("api"), Some(name))
            if is_http && !name.is_empty() && !name.starts_with('{') && !API_NAMES.contains(&name) =>
        {
            Ok(())
        }
        (Some("api" | "events"), _) => Err(Wrong::new(
            format!("{} belongs to the HTTP API", echo(path)),
            "write a path as \"/ws\"",
        )),
        (Some(first), _) if first.starts_with('{') => Err(Wrong::new(
            format!("{} would take the paths of the HTTP API", echo(path)),
            "let it begin with a fixed part, as \"/rooms/{room}\"",
        )),
        _ => Ok(()),
    }
}

/// Whether a router could not tell which of both a request is meant for. Fixed parts go before parameters.
pub(super) fn collide(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/').map(kind), other.split('/').map(kind));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(Kind::All), Some(Kind::All | Kind::Parameter))
            | (Some(Kind::Parameter), Some(Kind::All)) => {
                return true;
            }
            (left, right) if left == right => {}
            _ => return false,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Kind<'a> {
    Fixed(&'a str),
    Parameter,
    All,
}

fn kind(part: &str) -> Kind<'_> {
    match part.strip_prefix('{') {
        None => Kind::Fixed(part),
        Some(rest) if rest.starts_with('*') => Kind::All,
        Some(_) => Kind::Parameter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_have_parameters_between_slashes() {
        for text in [
            "/ws",
            "/",
            "/ws/game/{room}/",
            "/{a}/{b}",
            "/api/queue/{*rest}",
            "/a/{b}/{*rest}",
        ] {
            assert_eq!(parse(text).ok().as_deref(), Some(text));
        }
        for text in [
            "ws",
            "/a{b}",
            "/{}",
            "/{*}",
            "/{a b}",
            "/{a}/{a}",
            "/{a}/{*a}",
            "/{*rest}/a",
            "/{*rest}/",
            "/a b",
            "/ü",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints_collide_whatever_their_parameters_are_called() {
        for (one, other) in [
            ("/ws/{room}", "/ws/{other}"),
            ("/a/{*rest}", "/a/{*all}"),
            ("/a/{*rest}", "/a/{b}"),
            ("/a/{b}/c", "/a/{*rest}"),
        ] {
            assert!(collide(one, other) && collide(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("/ws/{room}", "/ws/{other}/"),
            ("/a/{*rest}", "/a/b"),
            ("/a/{*rest}", "/a/b/{*rest}"),
            ("/a/{*rest}", "/a"),
            ("/a/{b}/c", "/a/{b}/d"),
        ] {
            assert!(!collide(one, other) && !collide(other, one), "{one} {other}");
        }
    }

    #[test]
    fn the_paths_of_the_api_are_taken() {
        let fits = |path, dialect| fits(path, dialect, None).is_ok();
        for text in ["/api", "/api/", "/api/x", "/events", "/{room}", "/ws/{*rest}"] {
            assert!(!fits(text, DialectName::NATIVE), "{text}");
        }
        for text in ["/apis", "/ws"] {
            assert!(fits(text, DialectName::NATIVE), "{text}");
        }
        for text in [
            "/api",
            "/api/",
            "/api/{*rest}",
            "/api/jobs/{*rest}",
            "/api/call",
            "/{*rest}",
            "/events",
        ] {
            assert!(!fits(text, DialectName::HTTP), "{text}");
        }
        for text in ["/api/queue/{*rest}", "/auth/token", "/api/x", "/x/{*rest}"] {
            assert!(fits(text, DialectName::HTTP), "{text}");
        }
    }
}
