//! `[gateway.tls]` and `[gateway.admin_tls]`: what a port shows its clients, and asks of them.

use std::path::PathBuf;

use super::mistake::Wrong;
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
