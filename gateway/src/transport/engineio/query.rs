//! What a request of an Engine.IO client says of itself.

use axum::extract::Query as Pairs;
use axum::http::{HeaderMap, Uri, header};

use super::answer::Refusal;
use super::roster::Sid;
use crate::dialect::socketio::engine::VERSION;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Polling,
    WebSocket,
}

#[derive(Debug)]
pub(super) struct Query {
    pub(super) transport: Transport,
    /// `None`: the client is new.
    pub(super) sid: Option<Sid>,
}

impl Query {
    pub(super) fn read(uri: &Uri) -> Result<Self, Refusal> {
        let pairs = Pairs::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Refusal::BadRequest)?;
        let value = |name: &str| {
            pairs
                .iter()
                .find(|(one, _)| one == name)
                .map(|(_, value)| value.as_str())
        };
        let transport = match value("transport") {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(Refusal::UnknownTransport),
        };
        if value("EIO") != Some(VERSION) {
            return Err(Refusal::Version);
        }
        let sid = value("sid").map(|text| Sid::parse(text).ok_or(Refusal::UnknownSid));
        Ok(Self {
            transport,
            sid: sid.transpose()?,
        })
    }
}

/// Whether the client's library can go on where it stood. Those that can take one more argument at the
/// end of every event; others fail by it. They do not say which they are, so it is told by how they come:
/// browsers and Node name themselves, or name nothing and offer compression.
pub(super) fn recovers(headers: &HeaderMap) -> bool {
    match headers.get(header::USER_AGENT) {
        None => headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS),
        Some(agent) => {
            let agent = agent.to_str().unwrap_or_default().to_ascii_lowercase();
            let known = ["mozilla", "node", "deno", "bun/"];
            known.iter().any(|name| agent.contains(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<(Transport, bool), &'static str> {
        let uri: Uri = format!("/socket.io/?{query}").parse().expect("a URI");
        Query::read(&uri)
            .map(|query| (query.transport, query.sid.is_some()))
            .map_err(|refusal| refusal.message())
    }

    #[test]
    fn a_request_names_version_transport_and_client() {
        let sid = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.web-1";
        assert_eq!(
            read("EIO=4&transport=polling&t=abc"),
            Ok((Transport::Polling, false))
        );
        assert_eq!(
            read(&format!("EIO=4&transport=websocket&sid={sid}")),
            Ok((Transport::WebSocket, true))
        );
        assert_eq!(read("EIO=4"), Err("Transport unknown"));
        assert_eq!(read("EIO=4&transport=telegraph"), Err("Transport unknown"));
        assert_eq!(
            read("EIO=3&transport=polling"),
            Err("Unsupported protocol version")
        );
        assert_eq!(read("transport=polling"), Err("Unsupported protocol version"));
        assert_eq!(read("EIO=4&transport=polling&sid=x"), Err("Session ID unknown"));
    }

    #[test]
    fn libraries_that_go_on_where_they_stood_are_known_by_how_they_come() {
        let of = |name, value: &'static str| HeaderMap::from_iter([(name, value.parse().expect("a header"))]);
        assert!(recovers(&of(header::USER_AGENT, "node-XMLHttpRequest")));
        assert!(recovers(&of(header::USER_AGENT, "Mozilla/5.0 (X11)")));
        assert!(recovers(&of(
            header::SEC_WEBSOCKET_EXTENSIONS,
            "permessage-deflate"
        )));
        assert!(!recovers(&of(header::USER_AGENT, "python-requests/2.34.2")));
        assert!(!recovers(&HeaderMap::new()));
    }
}
