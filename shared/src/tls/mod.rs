//! TLS: certificates and keys out of files, and what a client of another server needs.
//!
//! Everything here uses rustls with ring. Keys are never logged; errors name files.

mod certificates;
mod peers;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub use certificates::Certificates;
use peers::between_nodes;

/// Certificates or a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlsError {
    #[error("TLS: {}: {why}", path.display())]
    File { path: PathBuf, why: String },
    #[error(
        "TLS: this system has no certificates of authorities; install its package ca-certificates, or name a `ca`"
    )]
    NoAuthorities,
    #[error("TLS: {0}")]
    Other(String),
}

impl TlsError {
    pub fn file(path: &Path, why: impl fmt::Display) -> Self {
        Self::File {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

/// The cryptography that all of Tidegate uses.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// All certificates of a PEM file, at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|why| TlsError::file(path, format_args!("it cannot be read ({why})")))?
        .collect();
    let found = found.map_err(|why| TlsError::file(path, format_args!("it is not PEM ({why})")))?;
    if found.is_empty() {
        return Err(TlsError::file(path, "it holds no certificate in PEM"));
    }
    Ok(found)
}

/// The first private key of a PEM file.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|why| TlsError::file(path, format_args!("it holds no private key in PEM ({why})")))
}

/// The authorities that a file names, or those that the system trusts.
pub fn authorities(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        return if added == 0 {
            Err(TlsError::NoAuthorities)
        } else {
            Ok(roots)
        };
    };
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|why| TlsError::file(path, why))?;
    }
    Ok(roots)
}

/// How to connect to a server whose certificate these authorities vouch for, showing a certificate and its key if it is to.
pub fn client(ca: Option<&Path>, shown: Option<(&Path, &Path)>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|why| TlsError::Other(why.to_string()))?
        .with_root_certificates(authorities(ca)?);
    match shown {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, of)) => builder
            .with_client_auth_cert(certificates(certificate)?, key(of)?)
            .map_err(|why| TlsError::file(certificate, why)),
    }
}
