//! How nodes of one fleet believe each other when one connects to the client port of another.
//!
//! Nodes mostly show the same certificate, which is for the name that clients know and not for a node's own
//! address. So a node believes whoever shows, and has the key of, the very certificate that it shows itself; and
//! besides whoever shows one of a known authority for the name that was expected.

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::{TlsError, authorities, certificates, key, provider};
use crate::config::{Peers, Tls};

/// How to connect to another node, as these files say: shown is what clients are shown, where certificates of
/// clients are asked for.
pub(super) fn between_nodes(files: &Tls, peers: &Peers) -> Result<ClientConfig, TlsError> {
    let chain = certificates(&files.cert)?;
    let verifier = Believed {
        own: chain.first().cloned(),
        known: known(peers)?,
        provider: provider(),
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|why| TlsError::Other(why.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = if files.client_ca.is_some() {
        builder
            .with_client_auth_cert(chain, key(&files.key)?)
            .map_err(|why| TlsError::file(&files.cert, why))?
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// By authorities; absent where none is named and the system has none.
fn known(peers: &Peers) -> Result<Option<Arc<WebPkiServerVerifier>>, TlsError> {
    let roots = match authorities(peers.ca.as_deref()) {
        Ok(roots) => roots,
        Err(TlsError::NoAuthorities) => return Ok(None),
        Err(error) => return Err(error),
    };
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    built.map(Some).map_err(|why| TlsError::Other(why.to_string()))
}

#[derive(Debug)]
struct Believed {
    own: Option<CertificateDer<'static>>,
    known: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Believed {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // That it has the key, too, is for the signature of the handshake to say.
        if self
            .own
            .as_ref()
            .is_some_and(|own| own.as_ref() == shown.as_ref())
        {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.known {
            Some(known) => known.verify_server_cert(shown, between, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, shown, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
