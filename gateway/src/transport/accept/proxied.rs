//! Who is behind a proxy: what it says before the first request (the PROXY protocol, versions 1 and 2), or
//! with each one (`X-Forwarded-For`). Asked only of proxies in trusted networks; what anybody else says is
//! not looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use tidegate_shared::config::Network;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const TEXT: &[u8] = b"PROXY ";
/// What the longest line of version 1 fits into.
const LONGEST_LINE: usize = 128;
/// Longest rest of a header of version 2: addresses, and what proxies add.
const LONGEST_REST: usize = 2_048;
/// Looking again at a header that has come in part.
const AGAIN: Duration = Duration::from_millis(5);

/// The address that a request comes from, as far as it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Networks whose proxies are believed.
#[derive(Debug, Clone, Default)]
pub struct Trusted(pub std::sync::Arc<[Network]>);

impl Trusted {
    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// From right to left: each proxy appends whom it took the request from, so the first address that is
    /// no trusted proxy's is the client's. What stands left of it may be made up.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return ClientAddress(peer);
        }
        let lines: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .map(|value| value.to_str().unwrap_or("?"))
            .collect();
        let mut client = peer;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Some(address) = address(entry.trim()) else {
                break;
            };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        ClientAddress(client)
    }

    /// Whom a connection comes from: its peer, or whom a trusted one names with the PROXY protocol. `None`
    /// if what it sends is neither that nor anything else.
    pub(super) async fn source(&self, stream: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
        if !self.trusts(peer.ip()) {
            return Some(peer);
        }
        let mut head = [0; LONGEST_LINE];
        loop {
            let count = stream.peek(&mut head).await.ok()?;
            let seen = head.get(..count)?;
            if seen.is_empty() {
                return None;
            }
            let begins = |with: &[u8]| seen.starts_with(with) || with.starts_with(seen);
            if seen.starts_with(TEXT)
                && let Some(end) = seen.windows(2).position(|two| two == b"\r\n")
            {
                let line = String::from_utf8(seen[..end].to_vec()).ok()?;
                stream.read_exact(&mut head[..end + 2]).await.ok()?;
                return of_text(&line, peer);
            }
            if seen.starts_with(SIGNATURE) && count >= 16 {
                return of_bytes(stream, peer).await;
            }
            if !begins(TEXT) && !begins(SIGNATURE) || count == LONGEST_LINE {
                return Some(peer);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// With a port or without, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address: IpAddr| address.to_canonical())
}

fn of_text(line: &str, peer: SocketAddr) -> Option<SocketAddr> {
    let parts: Vec<&str> = line.split(' ').collect();
    match parts[..] {
        ["PROXY", "UNKNOWN", ..] => Some(peer),
        ["PROXY", "TCP4" | "TCP6", source, _, port, _] => {
            Some(SocketAddr::new(source.parse().ok()?, port.parse().ok()?))
        }
        _ => None,
    }
}

async fn of_bytes(stream: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
    let mut head = [0; 16];
    stream.read_exact(&mut head).await.ok()?;
    let (command, family) = (head[12], head[13]);
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > LONGEST_REST || command >> 4 != 2 {
        return None;
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await.ok()?;
    // The proxy speaks for itself, as when it asks whether this one lives.
    if command.trailing_zeros() >= 4 {
        return Some(peer);
    }
    let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    match family >> 4 {
        1 => {
            let bytes: [u8; 4] = rest.get(..4)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv4Addr::from(bytes).into(), port(8)?))
        }
        2 => {
            let bytes: [u8; 16] = rest.get(..16)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv6Addr::from(bytes).into(), port(32)?))
        }
        _ => Some(peer),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_shared::config::Config;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    fn trusted(networks: &str) -> Trusted {
        let text = format!("[gateway]\ntrusted_proxies = {networks}");
        let config = Config::parse("x", &text).expect("fine");
        Trusted(config.gateway.trusted_proxies.into())
    }

    fn client(peer: &str, lines: &[&'static str]) -> String {
        let lines = lines
            .iter()
            .map(|line| (FORWARDED_FOR, line.parse().expect("a header")));
        let headers: HeaderMap = lines.collect();
        let peer = peer.parse().expect("an address");
        trusted("[\"10.0.0.0/8\"]").client(peer, &headers).0.to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_saw() {
        for (peer, lines, found) in [
            ("192.0.2.9", &["203.0.113.7"][..], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["1.2.3.4", "203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7:1234"], "203.0.113.7"),
            ("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["1.2.3.4, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4, , 10.0.0.2"], "10.0.0.2"),
            ("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
        ] {
            assert_eq!(client(peer, lines), found, "{peer} {lines:?}");
        }
    }

    /// What is said to come from where, and what is left to read.
    async fn source(networks: &str, sent: &[u8]) -> (Option<String>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (theirs, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
        let ((mut ours, peer), mut theirs) = (ours.expect("accepted"), theirs.expect("connected"));
        let (first, second) = sent.split_at(sent.len().min(7));
        theirs.write_all(first).await.expect("sent");
        tokio::task::yield_now().await;
        theirs.write_all(second).await.expect("sent");
        theirs.shutdown().await.expect("shut down");
        let found = trusted(networks).source(&mut ours, peer).await;
        let mut left = Vec::new();
        ours.read_to_end(&mut left).await.expect("read");
        let found = found.map(|one| {
            if one == peer {
                "peer".to_owned()
            } else {
                one.to_string()
            }
        });
        (found, left)
    }

    #[tokio::test]
    async fn a_trusted_proxy_names_its_client_before_the_first_request() {
        let request = b"GET / HTTP/1.1\r\n\r\n";
        let mut binary = SIGNATURE.to_vec();
        binary.extend([
            0x21, 0x11, 0, 15, 203, 0, 113, 7, 10, 0, 0, 1, 0x1f, 0x90, 0, 80, 1, 2, 3,
        ]);
        let mut local = SIGNATURE.to_vec();
        local.extend([0x20, 0, 0, 0]);
        for (head, found) in [
            (
                &b"PROXY TCP4 203.0.113.7 10.0.0.1 8080 80\r\n"[..],
                Some("203.0.113.7:8080"),
            ),
            (
                b"PROXY TCP6 2001:db8::1 ::1 8080 80\r\n",
                Some("[2001:db8::1]:8080"),
            ),
            (b"PROXY UNKNOWN\r\n", Some("peer")),
            (&binary, Some("203.0.113.7:8080")),
            (&local, Some("peer")),
            (b"", Some("peer")),
            (b"PROXY TCP4 rubbish 1 2 3\r\n", None),
        ] {
            let sent = [head, request].concat();
            let seen = source("[\"127.0.0.1\"]", &sent).await;
            assert_eq!(seen, (found.map(str::to_owned), request.to_vec()));
            let (from, left) = source("[]", &sent).await;
            assert_eq!(
                (from.as_deref(), left),
                (Some("peer"), sent),
                "nobody else is believed"
            );
        }
    }
}
