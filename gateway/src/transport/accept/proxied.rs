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
/// A header of version 2 without the rest, whose length it tells.
const SHORT: usize = 16;
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
        // On the heap: most connections come without.
        let mut head = vec![0; SHORT + LONGEST_REST];
        loop {
            let count = stream.peek(&mut head).await.ok()?;
            match begin(head.get(..count)?, peer) {
                Beginning::Other => return Some(peer),
                Beginning::Rubbish => return None,
                Beginning::Source { length, address } => {
                    stream.read_exact(head.get_mut(..length)?).await.ok()?;
                    return Some(address);
                }
                // The end comes as nothing more.
                Beginning::Part if count == 0 => return None,
                Beginning::Part => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

/// What the first bytes of a proxy's connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// No header: what follows it elsewhere begins at once.
    Other,
    /// More must come.
    Part,
    /// A header of so many bytes, and whom it names.
    Source { length: usize, address: SocketAddr },
    /// A header that says nothing that could be.
    Rubbish,
}

/// Looks for a header of the PROXY protocol (version 1 or 2) in what the peer has sent so far.
pub fn begin(seen: &[u8], peer: SocketAddr) -> Beginning {
    if seen.starts_with(TEXT) {
        let line = seen.get(..LONGEST_LINE).unwrap_or(seen);
        return match line.windows(2).position(|two| two == b"\r\n") {
            Some(end) => named(of_text(&line[..end], peer), end + 2),
            None if line.len() < LONGEST_LINE => Beginning::Part,
            None => Beginning::Other,
        };
    }
    if seen.starts_with(SIGNATURE) {
        let Some((head, rest)) = seen.split_first_chunk() else {
            return Beginning::Part;
        };
        return of_bytes(*head, rest, peer);
    }
    if TEXT.starts_with(seen) || SIGNATURE.starts_with(seen) {
        Beginning::Part
    } else {
        Beginning::Other
    }
}

fn named(address: Option<SocketAddr>, length: usize) -> Beginning {
    address.map_or(Beginning::Rubbish, |address| Beginning::Source {
        length,
        address,
    })
}

/// With a port or without, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address: IpAddr| address.to_canonical())
}

fn of_text(line: &[u8], peer: SocketAddr) -> Option<SocketAddr> {
    let parts: Vec<&str> = std::str::from_utf8(line).ok()?.split(' ').collect();
    match parts[..] {
        ["PROXY", "UNKNOWN", ..] => Some(peer),
        ["PROXY", "TCP4" | "TCP6", source, _, port, _] => {
            Some(SocketAddr::new(source.parse().ok()?, port.parse().ok()?))
        }
        _ => None,
    }
}

fn of_bytes(head: [u8; SHORT], rest: &[u8], peer: SocketAddr) -> Beginning {
    let (command, family) = (head[12], head[13]);
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > LONGEST_REST || command >> 4 != 2 {
        return Beginning::Rubbish;
    }
    let Some(rest) = rest.get(..length) else {
        return Beginning::Part;
    };
    // The proxy speaks for itself, as when it asks whether this one lives.
    let address = if command.trailing_zeros() >= 4 {
        Some(peer)
    } else {
        source(family, rest, peer)
    };
    named(address, SHORT + length)
}

fn source(family: u8, rest: &[u8], peer: SocketAddr) -> Option<SocketAddr> {
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
            // Nobody is served after rubbish, so it stays where it is.
            let left = if found.is_some() {
                request.to_vec()
            } else {
                sent.clone()
            };
            assert_eq!(seen, (found.map(str::to_owned), left));
            let (from, left) = source("[]", &sent).await;
            assert_eq!(
                (from.as_deref(), left),
                (Some("peer"), sent),
                "nobody else is believed"
            );
        }
    }
}
