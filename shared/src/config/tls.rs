//! `[gateway.tls]`, `[gateway.admin_tls]`, `[worker.admin_tls]`: what a port shows its clients, and asks of them.
//! `[gateway.peers]`: which other nodes are believed.

use std::path::PathBuf;

use tokio_rustls::rustls::pki_types::ServerName;

use super::mistake::{Wrong, echo};
use super::section::Section;

/// PEM files; looked at again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those between it and its authority.
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Clients must show a certificate of one of these authorities.
    pub client_ca: Option<PathBuf>,
}

/// What the certificates of other nodes are compared with, unless they are the node's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// Absent: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Absent: the host of the address that the other node advertises.
    pub name: Option<String>,
}

pub(super) fn peers(section: &mut Section<'_, '_, '_>, peers: &mut Peers) {
    peers.ca = section.text("ca", file).flatten();
    peers.name = section.text("name", name).flatten();
}

fn name(text: &str) -> Result<Option<String>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    match ServerName::try_from(text) {
        Ok(_) => Ok(Some(text.to_owned())),
        Err(_) => Err(Wrong::new(
            format!("{} is no name that a certificate can be for", echo(text)),
            "write a host's name or an IP address, as \"tidegate.internal\"",
        )),
    }
}

pub(super) fn read(section: &mut Section<'_, '_, '_>, tls: &mut Option<Tls>) {
    let cert = section.text("cert", file).flatten();
    let key = section.text("key", file).flatten();
    let client_ca = section.text("client_ca", file).flatten();
    let shown = pair(section, ("cert", cert), ("key", key));
    match (shown, &client_ca) {
        (Some((cert, key)), _) => *tls = Some(Tls { cert, key, client_ca }),
        (None, Some(_)) => {
            let wrong = Wrong::new(
                "only a port with a certificate of its own can ask for those of clients",
                "set `cert` and `key`, too",
            );
            section.wrong("client_ca", section.place_of("client_ca"), wrong);
        }
        (None, None) => {}
    }
}

/// Both, or neither; one alone is a mistake.
pub(super) fn pair(
    section: &mut Section<'_, '_, '_>,
    cert: (&'static str, Option<PathBuf>),
    key: (&'static str, Option<PathBuf>),
) -> Option<(PathBuf, PathBuf)> {
    match (cert, key) {
        ((_, Some(cert)), (_, Some(key))) => Some((cert, key)),
        ((_, None), (_, None)) => None,
        ((present, Some(_)), (absent, None)) | ((absent, None), (present, Some(_))) => {
            let wrong = Wrong::new(
                "a certificate and its key belong together",
                format!("set `{absent}`, too"),
            );
            section.wrong(present, section.place_of(present), wrong);
            None
        }
    }
}

/// An empty text: not set.
#[expect(clippy::unnecessary_wraps, reason = "as the reader of a section wants it")]
pub(super) fn file(text: &str) -> Result<Option<PathBuf>, Wrong> {
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}
