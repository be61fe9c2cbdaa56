//! How other nodes reach this one, where the configuration does not say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Somewhere that a route leads to from any machine with a network; nothing is sent there (RFC 5737).
const ELSEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// From the address that the client port is bound to, and whether it has TLS.
pub(crate) fn derive(bound: SocketAddr, tls: bool) -> String {
    let ip = if bound.ip().is_unspecified() {
        outward().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    } else {
        bound.ip()
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, bound.port()))
}

/// The address of this machine that packets to other machines carry.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_given_is_advertised_and_never_an_unspecified_one() {
        let bound = |text: &str| derive(text.parse().expect("an address"), false);
        assert_eq!(bound("10.0.0.7:8080"), "http://10.0.0.7:8080");
        assert_eq!(bound("[::1]:8080"), "http://[::1]:8080");
        let secured = derive("10.0.0.7:8443".parse().expect("an address"), true);
        assert_eq!(secured, "https://10.0.0.7:8443");
        let derived = bound("0.0.0.0:8080");
        assert!(
            derived.ends_with(":8080") && !derived.contains("//0.0.0.0"),
            "{derived}"
        );
    }
}
