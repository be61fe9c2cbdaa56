//! Requests for clients of other nodes: handed on as they are, once.
//!
//! The client's name says which node it is on; whoever knows it could as well have reached that node
//! itself. A request that was handed on is not handed on again. Where the other node has TLS on its client port, so has
//! this: a node that is not believed counts as one that cannot be reached. A node that cannot be reached has no
//! clients any more, which is what they are told, so that they come back as new ones.

use std::io;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use hashbrown::HashMap;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tidegate_shared::name::NodeId;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::answer::Refusal;
use crate::transport::http::Gate;

/// Says that a node has handed the request on.
const HOP: HeaderName = HeaderName::from_static("tidegate-hop");
const ONCE: HeaderValue = HeaderValue::from_static("1");
/// For another node to take a connection, and to shake hands.
const CONNECT: Duration = Duration::from_secs(2);
/// For another node to answer: longer than any poll waits there.
const ANSWER: Duration = Duration::from_secs(120);
/// For how long a node that is not in the list of nodes is taken not to exist.
const FRESH: Duration = Duration::from_millis(500);
/// How often the list is looked at for a node before its clients are unknown.
const LOOKS: u32 = 2;
/// Over this time tunnels are cut when the node ends, so that their clients do not come back at once.
const TUNNEL: Duration = Duration::from_secs(5);

/// Where other nodes are.
#[derive(Debug, Default)]
pub(super) struct Forward {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    addresses: HashMap<NodeId, Address>,
    read_at: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    tls: bool,
    host: String,
    port: u16,
}

impl Forward {
    /// `port`: of an endpoint that has one of its own, on every node.
    pub(super) async fn hand_on(
        &self,
        gate: &Gate,
        node: &NodeId,
        port: Option<u16>,
        request: Request,
    ) -> Result<Response, Refusal> {
        if request.headers().contains_key(HOP) {
            return Err(Refusal::UnknownSid);
        }
        let mut address = self.address(gate, node).await?;
        address.port = port.unwrap_or(address.port);
        let unreached = |error: io::Error| {
            tracing::debug!(%node, %error, "a node that a client is on cannot be reached");
            Refusal::UnknownSid
        };
        let stream = address.connect().await.map_err(unreached)?;
        let sent = if address.tls {
            let stream = address.secure(gate, stream).await.map_err(unreached)?;
            tokio::time::timeout(ANSWER, send(gate, stream, request)).await
        } else {
            tokio::time::timeout(ANSWER, send(gate, stream, request)).await
        };
        match sent {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                tracing::debug!(%node, %error, "a request could not be handed on");
                Err(Refusal::UnknownSid)
            }
            Err(_) => Err(Refusal::UnknownSid),
        }
    }

    /// Host and port of a node. One that is not listed may have come since the list was read, or be about to
    /// announce itself: the list is read anew, but not more often than is good for the backend.
    async fn address(&self, gate: &Gate, node: &NodeId) -> Result<Address, Refusal> {
        for _ in 0..LOOKS {
            let age = {
                let known = self.known.lock();
                if let Some(address) = known.addresses.get(node) {
                    return Ok(address.clone());
                }
                known.read_at.map(|at| at.elapsed())
            };
            if let Some(left) = age.and_then(|age| FRESH.checked_sub(age)) {
                tokio::time::sleep(left).await;
            }
            if !self.was_read_lately() {
                self.read(gate).await?;
            }
        }
        let known = self.known.lock();
        known.addresses.get(node).cloned().ok_or(Refusal::UnknownSid)
    }

    async fn read(&self, gate: &Gate) -> Result<(), Refusal> {
        let nodes = gate.backend().nodes.list().await;
        let addresses = nodes
            .map_err(|_| Refusal::Unavailable)?
            .into_iter()
            .filter_map(|one| Some((one.node, Address::parse(&one.advertise?)?)))
            .collect();
        let mut known = self.known.lock();
        known.addresses = addresses;
        known.read_at = Some(Instant::now());
        Ok(())
    }

    fn was_read_lately(&self) -> bool {
        let read_at = self.known.lock().read_at;
        read_at.is_some_and(|at| at.elapsed() < FRESH)
    }
}

impl Address {
    /// As nodes advertise it.
    fn parse(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        Some(Self {
            tls: uri.scheme_str() == Some("https"),
            host: uri.host()?.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16()?,
        })
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT, connecting).await??;
        // Small requests, answered one at a time.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Fails where the other one is not believed, or this node has no TLS itself.
    async fn secure(&self, gate: &Gate, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let ours = gate.for_peers().ok_or(io::ErrorKind::Unsupported)?;
        let name = gate.config().gateway.peers.name.as_ref().unwrap_or(&self.host);
        let name = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
        let securing = TlsConnector::from(ours).connect(name, stream);
        tokio::time::timeout(CONNECT, Box::pin(securing)).await?
    }
}

async fn send<S>(gate: &Gate, stream: S, mut request: Request) -> Result<Response, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake::<_, Body>(TokioIo::new(stream)).await?;
    gate.spawn(async move {
        // How it ends is told by the answer.
        let _ = connection.with_upgrades().await;
    });
    let wants_upgrade = request.headers().contains_key(header::UPGRADE);
    let client = wants_upgrade.then(|| hyper::upgrade::on(&mut request));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    request.headers_mut().insert(HOP, ONCE);
    if !wants_upgrade {
        request.headers_mut().remove(header::CONNECTION);
        request.headers_mut().remove(header::TRANSFER_ENCODING);
    }
    let mut response = sender.send_request(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(client) = client
    {
        let node = hyper::upgrade::on(&mut response);
        let ended = gate.shared_node().shutdown().clone();
        gate.spawn(async move {
            let (Ok(client), Ok(node)) = tokio::join!(client, node) else {
                return;
            };
            let (mut client, mut node) = (TokioIo::new(client), TokioIo::new(node));
            let leaving = async {
                ended.cancelled().await;
                tokio::time::sleep(TUNNEL.mul_f64(rand::random())).await;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut node) => {}
                () = leaving => {}
            }
        });
    }
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let (mut parts, body) = response.into_parts();
    if parts.status != StatusCode::SWITCHING_PROTOCOLS {
        for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
    }
    // Of the node that the client asked, not of the one that answers.
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::VARY,
    ] {
        parts.headers.remove(name);
    }
    Ok(Response::from_parts(parts, Body::new(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_whether_there_is_tls() {
        let parsed = |text: &str| {
            let address = Address::parse(text)?;
            Some((address.tls, address.host, address.port))
        };
        assert_eq!(
            parsed("http://10.0.0.7:8080"),
            Some((false, "10.0.0.7".into(), 8080))
        );
        assert_eq!(parsed("https://[::1]:8443"), Some((true, "::1".into(), 8443)));
        assert_eq!(parsed("https://node-1"), None, "no port");
    }
}
