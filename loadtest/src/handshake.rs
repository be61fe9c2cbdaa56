//! The handshake of RFC 6455 as a client writes it and reads its answer: pure text, without a socket.

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};

use crate::protocol::Protocol;

const DEFLATE: &str = "permessage-deflate";
/// Each message stands alone, so that one inflater does for all clients.
const ALONE: &str = "server_no_context_takeover";
/// What is offered. That nothing is compressed on the way in costs the same of every server.
const OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// `deflate`: with the offer to compress messages.
pub(crate) fn request(host: SocketAddr, path: &str, protocol: &dyn Protocol, deflate: bool) -> String {
    let sub = protocol.subprotocol();
    let sub = sub.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let offer = if deflate {
        format!("Sec-WebSocket-Extensions: {OFFER}\r\n")
    } else {
        String::new()
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{sub}{offer}\r\n"
    )
}

/// Whether the server, whose answer's head this is, may compress messages. An error where it did not upgrade, or would
/// have a message lean on those before.
pub(crate) fn agreed(head: &[u8]) -> Result<bool> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101") {
        bail!("no upgrade: {status}");
    }
    let extension = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-extensions")
            .then(|| value.trim())
    });
    let mut words = extension.unwrap_or_default().split(';').map(str::trim);
    if words.next() != Some(DEFLATE) {
        return Ok(false);
    }
    ensure!(
        words.any(|word| word == ALONE),
        "the server compresses without {ALONE}, which was offered"
    );
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Name;

    #[test]
    fn compression_is_offered_only_where_it_is_wanted() {
        let host = SocketAddr::from(([127, 0, 0, 1], 80));
        let ask = |deflate| request(host, "/ws", Name::Mqtt.protocol(), deflate);
        assert!(ask(true).ends_with(
            "Protocol: mqtt\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n\r\n"
        ));
        assert!(!ask(false).contains("Extensions"));
        assert!(ask(false).ends_with("\r\n\r\n"));
    }

    #[test]
    fn a_server_may_agree_to_compress_or_not_but_not_with_messages_that_lean_on_others() {
        let answer = |extensions: &str| {
            agreed(
                format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n{extensions}").as_bytes(),
            )
        };
        assert!(!answer("").expect("upgraded"));
        let both = "sec-websocket-extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover";
        assert!(answer(both).expect("upgraded"));
        assert!(!answer("Sec-WebSocket-Extensions: other").expect("upgraded"));
        assert!(answer("Sec-WebSocket-Extensions: permessage-deflate").is_err());
        let refused = agreed(b"HTTP/1.1 429 Too Many Requests\r\n").expect_err("no upgrade");
        assert_eq!(refused.to_string(), "no upgrade: HTTP/1.1 429 Too Many Requests");
    }
}
