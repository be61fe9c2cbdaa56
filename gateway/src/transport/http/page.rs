//! Whether a web page is behind a request, and whether it is one of the gateway's own.
//!
//! Only browsers send `Origin`, and a page cannot forge it; programs need not send it.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

/// The one host that the request is for (RFC 9112 §3.2.2: a target in absolute form wins).
pub(crate) fn host(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => only.to_str().ok()?.parse().ok(),
        _ => None,
    }
}

/// Whether the request comes from a page that this host served.
pub(crate) fn is_own(headers: &HeaderMap, host: &Authority) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(only), None) => only.to_str().is_ok_and(|origin| is_of_host(origin, host)),
        _ => false,
    }
}

/// Whether the request comes from a page that another host served. Browsers send `Origin` with every
/// request that could change something, and `Sec-Fetch-Site` with every request.
pub(crate) fn is_foreign(headers: &HeaderMap, host: &Authority) -> bool {
    let own = |value: &str| matches!(value, "same-origin" | "none");
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| !site.to_str().is_ok_and(own))
        || (headers.contains_key(header::ORIGIN) && !is_own(headers, host))
}

/// A host without a port means the usual one of the origin's scheme: behind a proxy that ends TLS only
/// the page knows it.
fn is_of_host(origin: &str, host: &Authority) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    !authority.as_str().contains('@')
        && !host.as_str().contains('@')
        && authority.host().eq_ignore_ascii_case(host.host())
        && port(&authority) == port(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(host: &'static str, origin: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(header::ORIGIN, origin.parse().expect("a header"))]);
        is_own(&headers, &host.parse().expect("a host"))
    }

    #[test]
    fn a_page_is_the_gateways_own_if_host_and_port_are() {
        for (host, origin) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("app.example.com", "https://app.example.com"),
            ("app.example.com:443", "https://APP.example.com"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert!(own(host, origin), "{host} {origin}");
        }
        for (host, origin) in [
            ("127.0.0.1:8080", "http://127.0.0.1:3000"),
            ("127.0.0.1:8080", "http://127.0.0.1"),
            ("app.example.com", "https://app.example.com.evil.example"),
            ("app.example.com", "https://app.example.com@evil.example"),
            ("evil@app.example.com", "https://app.example.com"),
            ("app.example.com", "https://evil.example/app.example.com"),
            ("app.example.com", "file://app.example.com"),
            ("app.example.com", "null"),
            ("app.example.com", ""),
        ] {
            assert!(!own(host, origin), "{host} {origin}");
        }
    }

    #[test]
    fn two_origins_are_never_own() {
        let mut headers = HeaderMap::new();
        let host: Authority = "a.example".parse().expect("a host");
        assert!(
            !is_own(&headers, &host) && !is_foreign(&headers, &host),
            "a program"
        );
        for _ in 0..2 {
            headers.append(header::ORIGIN, "https://a.example".parse().expect("a header"));
        }
        assert!(!is_own(&headers, &host) && is_foreign(&headers, &host));
    }
}
