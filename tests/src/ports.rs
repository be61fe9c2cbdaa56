//! Free ports below the range that outgoing connections take theirs from, so that the port of a process
//! that was killed is still free when it is started again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

/// Ports 10,000 to 19,999, in blocks: tests that run at the same time are processes with other numbers.
const FIRST: u32 = 10_000;
const COUNT: u32 = 10_000;
const BLOCK: u32 = 40;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The first of some free ports in a row.
pub fn free_block(count: u16) -> Result<u16> {
    for _ in 0..100 {
        let first = free()?;
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            NEXT.fetch_add(u32::from(count), Ordering::Relaxed);
            return Ok(first);
        }
    }
    bail!("no {count} free ports in a row")
}

pub fn free() -> Result<u16> {
    let start = std::process::id().wrapping_mul(BLOCK) % COUNT;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + (start + step) % COUNT)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} on")
}
