//! Tells a program on this machine from a web page in its browser.
//!
//! A page of any site can make the browser send requests to 127.0.0.1, and with a name that it lets
//! resolve to 127.0.0.1 (DNS rebinding) even as its own origin. Such requests name the site in `Host`
//! or `Origin`; what a local proxy passes on says so in its own headers.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri};

use super::page;

/// Set by proxies in front: the peer is then not the client.
const PROXIED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Whether the request comes from this machine and from no foreign page; if not, why.
pub(crate) fn check(headers: &HeaderMap, uri: &Uri, peer: Option<IpAddr>) -> Result<(), &'static str> {
    if !peer.is_some_and(|address| address.to_canonical().is_loopback()) {
        return Err("this request comes from another one");
    }
    if PROXIED.iter().any(|name| headers.contains_key(*name)) {
        return Err("this request came through a proxy");
    }
    let host = page::host(headers, uri).ok_or("this request has no valid `Host` header")?;
    if !is_local(host.host()) {
        return Err("this request's `Host` is not `localhost` or a loopback address");
    }
    if page::is_foreign(headers, &host) {
        return Err("this request comes from a web page of another origin");
    }
    Ok(())
}

fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn allowed(peer: &str, of: &[(&'static str, &'static str)]) -> bool {
        let headers = of
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        check(&headers, &Uri::from_static("/api/publish"), peer.parse().ok()).is_ok()
    }

    #[test]
    fn programs_on_this_machine_are_let_in() {
        for (peer, host) in [
            ("127.0.0.1", "127.0.0.1:8080"),
            ("127.8.0.1", "localhost:8080"),
            ("::1", "[::1]:8080"),
            ("::ffff:127.0.0.1", "LOCALHOST."),
            ("127.0.0.1", "app.localhost:8080"),
        ] {
            assert!(allowed(peer, &[("host", host)]), "{peer} {host}");
        }
    }

    #[test]
    fn other_machines_and_proxied_requests_are_not() {
        assert!(!allowed("192.0.2.1", &[("host", "localhost")]));
        assert!(!allowed("", &[("host", "localhost")]));
        for header in PROXIED {
            assert!(
                !allowed("127.0.0.1", &[("host", "localhost"), (header, "192.0.2.1")]),
                "{header}"
            );
        }
    }

    #[test]
    fn a_rebound_name_is_not_let_in() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
        ] {
            assert!(!allowed("127.0.0.1", &[("host", host)]), "{host}");
        }
        assert!(!allowed("127.0.0.1", &[]));
        assert!(!allowed(
            "127.0.0.1",
            &[("host", "localhost"), ("host", "localhost")]
        ));
    }

    #[test]
    fn a_page_is_let_in_only_from_the_gateway_itself() {
        let page = |origin| allowed("127.0.0.1", &[("host", "127.0.0.1:8080"), ("origin", origin)]);
        assert!(page("http://127.0.0.1:8080"));
        for origin in [
            "http://127.0.0.1:3000",
            "http://localhost:8080",
            "http://evil.example",
            "http://127.0.0.1:8080.evil.example",
            "null",
            "",
        ] {
            assert!(!page(origin), "{origin}");
        }
        let fetch = |site| allowed("127.0.0.1", &[("host", "localhost"), ("sec-fetch-site", site)]);
        assert!(fetch("same-origin") && fetch("none"));
        assert!(!fetch("cross-site") && !fetch("same-site"));
    }
}
