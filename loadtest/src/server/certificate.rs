//! A certificate of a server's own, which is made for a run and trusted by this program alone.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rustls::pki_types::CertificateDer;

pub(super) struct Certificate {
    /// Its file and that of its key, as PEM.
    pub(super) file: String,
    pub(super) key: String,
    pub(super) der: CertificateDer<'static>,
}

impl Certificate {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let (file, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        fs::write(&file, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        Ok(Self {
            file: file.display().to_string(),
            key: key.display().to_string(),
            der: made.cert.der().clone(),
        })
    }
}
