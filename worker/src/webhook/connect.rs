//! From a host to a connection, by way of addresses that may be called.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::is_public;
use super::error::WebhookError;
use super::request::{Place, Target};

const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
/// For each address, and for the handshake of TLS.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Most addresses of one name that are tried.
const ADDRESSES: usize = 4;

pub(super) struct Connector {
    allow_private: bool,
    /// Made when it is first needed: the system's certificates are many.
    tls: OnceCell<TlsConnector>,
}

/// A connection, secure or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connector {
    pub(super) fn new(allow_private: bool) -> Self {
        Self {
            allow_private,
            tls: OnceCell::new(),
        }
    }

    pub(super) async fn open(&self, target: &Target) -> Result<Box<dyn Stream>, WebhookError> {
        let found = match &target.host {
            Place::Address(address) => vec![SocketAddr::new(*address, target.port)],
            Place::Name(name) => resolve(name, target.port).await?,
        };
        let stream = connect(&allowed(found, self.allow_private)?).await?;
        if !target.secure {
            return Ok(Box::new(stream));
        }
        let tls = self.tls.get_or_try_init(tls).await?;
        let name = match &target.host {
            Place::Address(address) => ServerName::from(*address),
            Place::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| WebhookError::Url("its host is no name of a server".into()))?,
        };
        match timeout(CONNECT_LIMIT, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(WebhookError::Tls(error)),
            Err(_) => Err(WebhookError::Tls(late())),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("allow_private", &self.allow_private)
            .finish_non_exhaustive()
    }
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, WebhookError> {
    match timeout(RESOLVE_LIMIT, lookup_host((name, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(WebhookError::Resolve(error)),
        Err(_) => Err(WebhookError::SlowResolve(RESOLVE_LIMIT)),
    }
}

/// Those that may be called. A name that has none of them is refused; one that has no address at all
/// cannot be resolved.
fn allowed(mut addresses: Vec<SocketAddr>, private: bool) -> Result<Vec<SocketAddr>, WebhookError> {
    if addresses.is_empty() {
        return Err(WebhookError::Resolve(io::Error::other("it has no address")));
    }
    addresses.retain(|address| private || is_public(address.ip()));
    addresses.truncate(ADDRESSES);
    if addresses.is_empty() {
        return Err(WebhookError::Private);
    }
    Ok(addresses)
}

/// To the first that answers.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, WebhookError> {
    let mut last = late();
    for address in addresses {
        match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = late(),
        }
    }
    Err(WebhookError::Connect(last))
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time")
}

/// With the certificates that the system trusts.
async fn tls() -> Result<TlsConnector, WebhookError> {
    let read = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
    let found = read
        .await
        .map_err(|error| WebhookError::Tls(io::Error::other(error)))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(WebhookError::Tls(io::Error::other(
            "this system has no certificates of authorities; install its package ca-certificates",
        )));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| WebhookError::Tls(io::Error::other(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect()
    }

    #[test]
    fn of_a_names_addresses_only_the_public_ones_are_called() {
        let mixed = addresses(&["127.0.0.1:80", "1.1.1.1:80", "[::1]:80"]);
        assert_eq!(
            allowed(mixed.clone(), false).expect("one"),
            addresses(&["1.1.1.1:80"])
        );
        assert_eq!(allowed(mixed.clone(), true).expect("all"), mixed);
        let private = addresses(&["10.0.0.1:80", "[fd00::1]:80"]);
        assert!(matches!(allowed(private, false), Err(WebhookError::Private)));
        assert!(matches!(allowed(Vec::new(), true), Err(WebhookError::Resolve(_))));
        let many = vec![addresses(&["1.1.1.1:80"])[0]; 50];
        assert_eq!(allowed(many, false).expect("some").len(), ADDRESSES);
    }

    #[tokio::test]
    async fn a_name_that_leads_here_is_refused_after_it_was_resolved() {
        let target = Target::parse("http://localhost:1/").expect("a URL");
        assert!(matches!(target.host, Place::Name(_)));
        let opened = Connector::new(false).open(&target).await;
        assert!(matches!(opened.map(drop), Err(WebhookError::Private)));
        // Where it is allowed, it is tried: nobody listens on port 1.
        let opened = Connector::new(true).open(&target).await;
        assert!(matches!(opened.map(drop), Err(WebhookError::Connect(_))));
    }

    #[tokio::test]
    async fn the_systems_certificates_can_be_used() {
        match tls().await.map(drop) {
            Ok(()) => {}
            // A machine without any.
            Err(error) => assert!(error.to_string().contains("ca-certificates"), "{error}"),
        }
    }
}
