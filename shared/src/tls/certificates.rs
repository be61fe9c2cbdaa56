//! TLS for a port, and between the nodes that serve it: certificates that are read anew when their files change.
//!
//! Connections keep what they began with; a file that cannot be used changes nothing but the log.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio_rustls::rustls::crypto::ring::Ticketer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_util::sync::CancellationToken;

use super::{TlsError, authorities, between_nodes, certificates, key, provider};
use crate::config::{Peers, Tls};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a port shows its clients.
pub struct Certificates {
    files: Tls,
    /// Whom it believes, if nodes connect to each other by this port.
    peers: Option<Peers>,
    current: Mutex<Current>,
    /// What the files were like before they were read first.
    loaded: Changes,
}

#[derive(Clone)]
struct Current {
    server: Arc<ServerConfig>,
    client: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.files).finish()
    }
}

impl Certificates {
    pub fn load(files: &Tls, peers: Option<&Peers>) -> Result<Self, TlsError> {
        let loaded = changes(files);
        Ok(Self {
            loaded,
            current: Mutex::new(Current::read(files, peers)?),
            files: files.clone(),
            peers: peers.cloned(),
        })
    }

    /// Those of a port that has some, looked at again until `end`.
    pub fn of_port(
        files: Option<&Tls>,
        peers: Option<&Peers>,
        end: &CancellationToken,
    ) -> Result<Option<Arc<Self>>, TlsError> {
        let Some(files) = files else { return Ok(None) };
        let certificates = Arc::new(Self::load(files, peers)?);
        let (followed, end) = (certificates.clone(), end.clone());
        tokio::spawn(async move { followed.follow(end).await });
        Ok(Some(certificates))
    }

    /// For a client that comes now.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.lock().server.clone()
    }

    /// For a connection to another node.
    pub fn for_peers(&self) -> Option<Arc<ClientConfig>> {
        self.current.lock().client.clone()
    }

    /// Looks at the files now and then, until `end`.
    pub async fn follow(&self, end: CancellationToken) {
        let mut seen = self.loaded.clone();
        while end.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let files = self.files.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || changes(&files)).await else {
                continue;
            };
            if now != seen {
                seen = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match Current::read(&self.files, self.peers.as_ref()) {
            Ok(current) => {
                *self.current.lock() = current;
                tracing::info!("the certificate {} is in use", self.files.cert.display());
            }
            Err(error) => {
                tracing::error!(%error, "the certificate that was in use stays, as the new one cannot be used");
            }
        }
    }
}

impl Current {
    fn read(files: &Tls, peers: Option<&Peers>) -> Result<Self, TlsError> {
        let client = peers.map(|peers| between_nodes(files, peers)).transpose()?;
        Ok(Self {
            server: Arc::new(read(files)?),
            client: client.map(Arc::new),
        })
    }
}

/// When each file was changed last, and how long it is.
type Changes = Vec<Option<(SystemTime, u64)>>;

fn changes(files: &Tls) -> Changes {
    let paths: [Option<&PathBuf>; 3] = [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()];
    let state = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    paths.into_iter().flatten().map(state).collect()
}

fn read(files: &Tls) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|why| TlsError::file(&files.cert, why))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let authorities = Arc::new(authorities(Some(path))?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|why| TlsError::file(path, why))?)
        }
    };
    let shown = builder.with_single_cert(certificates(&files.cert)?, key(&files.key)?);
    let mut config = shown.map_err(|why| {
        let with = files.key.display();
        TlsError::file(&files.cert, format_args!("it cannot be used with {with} ({why})"))
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Clients that come back need no signature, and the node keeps nothing for it.
    config.ticketer = Ticketer::new().map_err(|why| TlsError::Other(why.to_string()))?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn sign(files: &Tls) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("valid");
        let signed = params.self_signed(&key).expect("signed");
        std::fs::write(&files.cert, signed.pem()).expect("written");
        std::fs::write(&files.key, key.serialize_pem()).expect("written");
    }

    #[test]
    fn files_that_cannot_be_used_leave_what_was_in_use() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Tls {
            cert: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
            client_ca: None,
        };
        sign(&files);
        let certificates = Certificates::load(&files, None).expect("good files");
        let first = certificates.current();
        let good = std::fs::read(&files.key).expect("there");
        for rubbish in ["", "rubbish"] {
            std::fs::write(&files.key, rubbish).expect("written");
            certificates.reload();
            assert!(Arc::ptr_eq(&first, &certificates.current()), "{rubbish:?}");
        }
        sign(&files);
        std::fs::write(&files.key, good).expect("written");
        certificates.reload();
        assert!(
            Arc::ptr_eq(&first, &certificates.current()),
            "the key of another certificate"
        );
        sign(&files);
        certificates.reload();
        assert!(!Arc::ptr_eq(&first, &certificates.current()));
    }
}
