//! The admin port with TLS. Handshakes go on beside each other, so that who is slow with one holds up nobody.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tidegate_shared::tls::Certificates;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// For a handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes under way. Probes and scrapes come one at a time; whoever needs more than this is something else.
const MOST: usize = 64;

pub(crate) struct Secured {
    tcp: TcpListener,
    certificates: Arc<Certificates>,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Secured {
    pub(crate) fn new(tcp: TcpListener, certificates: Arc<Certificates>) -> Self {
        Self {
            tcp,
            certificates,
            handshakes: JoinSet::new(),
        }
    }
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let has_room = self.handshakes.len() < MOST;
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = ended {
                        return connection;
                    }
                }
                (tcp, peer) = Listener::accept(&mut self.tcp), if has_room => {
                    let acceptor = TlsAcceptor::from(self.certificates.current());
                    self.handshakes.spawn(async move {
                        let accepted = timeout(PATIENCE, acceptor.accept(tcp)).await;
                        match accepted {
                            Ok(Ok(stream)) => return Some((stream, peer)),
                            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
                        }
                        None
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use rcgen::{CertificateParams, KeyPair};
    use tidegate_shared::config::Tls;
    use tidegate_shared::tls;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;

    use super::*;

    async fn ask(files: &Tls, address: SocketAddr, shown: bool) -> io::Result<String> {
        let shown = shown.then_some((&*files.cert, &*files.key));
        let client = tls::client(Some(&files.cert), shown).expect("its files");
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::from(address.ip());
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, tcp).await?;
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn probes_are_answered_over_tls_to_who_shows_what_is_asked_for_whoever_else_is_silent() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Tls {
            cert: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
            client_ca: None,
        };
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("valid");
        let signed = params.self_signed(&key).expect("signed");
        std::fs::write(&files.cert, signed.pem()).expect("written");
        std::fs::write(&files.key, key.serialize_pem()).expect("written");
        for asks in [false, true] {
            files.client_ca = asks.then(|| files.cert.clone());
            let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = tcp.local_addr().expect("bound");
            let certificates = Arc::new(Certificates::load(&files, None).expect("good files"));
            let router = Router::new().route("/livez", get(async || "ok"));
            let serving =
                tokio::spawn(async move { axum::serve(Secured::new(tcp, certificates), router).await });
            let _silent = TcpStream::connect(address).await.expect("connected");
            let answer = ask(&files, address, true).await.expect("believed");
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"),
                "{answer}"
            );
            let unknown = ask(&files, address, false).await.unwrap_or_default();
            assert_eq!(unknown.is_empty(), asks, "{unknown}");
            serving.abort();
        }
    }
}
