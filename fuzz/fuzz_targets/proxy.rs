//! Headers of the PROXY protocol. What the first bytes of a header say must not change when more of it comes.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use tidegate_gateway::transport::accept::{Beginning, begin};

/// More than any header has.
const MOST: usize = 4_096;

fuzz_target!(|bytes: &[u8]| {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let whole = begin(bytes, peer);
    if let Beginning::Source { length, .. } = whole {
        assert!(length <= bytes.len(), "a header longer than what has come");
        assert_eq!(begin(&bytes[..length], peer), whole);
    }
    assert!(
        bytes.len() < MOST || whole != Beginning::Part,
        "it waits for ever"
    );
    for cut in 0..bytes.len().min(MOST) {
        let before = begin(&bytes[..cut], peer);
        assert!(
            before == Beginning::Part || before == whole,
            "{before:?} became {whole:?} at {cut}"
        );
    }
});
