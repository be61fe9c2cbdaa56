//! Who may use `/api`: holders of a key, and on request anyone on this machine.
//!
//! Decides over headers and the peer's address alone. Never logs or repeats a key.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use sha2::{Digest, Sha256};
use tidegate_shared::code::ErrorCode;

use super::Problem;
use super::loopback;
use crate::transport::accept::ClientAddress;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What `/api` demands of a request.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// SHA-256 of each key.
    keys: Vec<[u8; 32]>,
    /// Only looked at without keys.
    open_on_loopback: bool,
}

impl Access {
    pub(crate) fn new(keys: Vec<[u8; 32]>, open_on_loopback: bool) -> Self {
        Self {
            keys,
            open_on_loopback,
        }
    }

    /// Whether the request may go on.
    pub(crate) fn check(&self, headers: &HeaderMap, uri: &Uri, peer: Option<IpAddr>) -> Result<(), Problem> {
        if self.keys.is_empty() && self.open_on_loopback {
            return loopback::check(headers, uri, peer).map_err(|why| {
                unauthorized(format!(
                    "without API keys only programs on this machine may use /api, and {why}; to open it to others set `api_keys` under [auth]"
                ))
            });
        }
        if self.keys.is_empty() {
            return Err(unauthorized(
                "no API key is set on this server, so /api is closed: set `api_keys` under [auth] in its configuration",
            ));
        }
        let given = presented(headers)?;
        if self.knows(given) {
            Ok(())
        } else {
            Err(unauthorized("this server does not know the API key"))
        }
    }

    /// Compares with every key, each to its last byte, whatever the outcome so far.
    fn knows(&self, given: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(given).into();
        self.keys
            .iter()
            .fold(false, |known, key| known | same(key, &digest))
    }
}

fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// The key that the request carries.
fn presented(headers: &HeaderMap) -> Result<&[u8], Problem> {
    if let Some(key) = headers.get(API_KEY) {
        return Ok(key.as_bytes().trim_ascii());
    }
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(unauthorized(
            "an API key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`",
        ));
    };
    let value = value.as_bytes().trim_ascii();
    match value.split_at_checked("bearer ".len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => Ok(key.trim_ascii()),
        _ => Err(unauthorized(
            "the `Authorization` header is not of the form `Bearer KEY`",
        )),
    }
}

fn unauthorized(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Unauthorized, detail).with_header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"tidegate\""),
    )
}

/// The peer's address as the accept loop attached it.
pub(crate) fn peer(extensions: &axum::http::Extensions) -> Option<IpAddr> {
    let axum::extract::ConnectInfo(address) = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>()?;
    Some(address.ip().to_canonical())
}

/// Where the request comes from, as far as proxies that are trusted tell.
pub(crate) fn client(extensions: &axum::http::Extensions) -> Option<IpAddr> {
    let ClientAddress(address) = extensions.get::<ClientAddress>()?;
    Some(*address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn keyed() -> Access {
        let digest = |key: &str| Sha256::digest(key).into();
        Access::new(vec![digest("first"), digest("second")], true)
    }

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn status(access: &Access, of: &[(&'static str, &'static str)]) -> Result<(), u16> {
        access
            .check(&headers(of), &Uri::from_static("/api/publish"), LOCAL)
            .map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn each_key_opens_in_either_header() {
        for of in [
            ("authorization", "Bearer first"),
            ("authorization", "bearer   second "),
            ("x-api-key", "second"),
        ] {
            assert_eq!(status(&keyed(), &[of]), Ok(()), "{of:?}");
        }
    }

    #[test]
    fn anything_but_a_known_key_is_unauthorized() {
        for of in [
            &[][..],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer third")],
            &[("authorization", "Bearer firs")],
            &[("authorization", "Bearer first x")],
            &[("authorization", "Basic Zmlyc3Q6")],
            &[("authorization", "first")],
            &[("x-api-key", "")],
            &[("x-api-key", "x"), ("authorization", "Bearer first")],
        ] {
            assert_eq!(status(&keyed(), of), Err(401), "{of:?}");
        }
    }

    #[test]
    fn with_keys_loopback_is_not_open() {
        assert_eq!(status(&keyed(), &[("host", "localhost")]), Err(401));
    }

    #[test]
    fn without_keys_it_is_closed_unless_opened_on_loopback() {
        let closed = Access::new(Vec::new(), false);
        assert_eq!(status(&closed, &[("host", "localhost")]), Err(401));
        assert_eq!(status(&closed, &[("x-api-key", "")]), Err(401));
        let open = Access::new(Vec::new(), true);
        assert_eq!(status(&open, &[("host", "localhost")]), Ok(()));
        let stranger = Some(IpAddr::from([192, 0, 2, 1]));
        assert!(
            open.check(
                &headers(&[("host", "localhost")]),
                &Uri::from_static("/api/publish"),
                stranger
            )
            .is_err()
        );
    }
}
