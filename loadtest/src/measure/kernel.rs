//! What sockets take of the kernel's memory. It tells this of the whole machine, so both ends of a connection count,
//! and whoever else is on the machine.

use std::fs;

use serde::Serialize;

/// Kinds of objects that a TCP socket which epoll watches is made of, or holds. Others, as of files, are too noisy.
const SLABS: &[&str] = &[
    "TCP",
    "TCPv6",
    "sock_inode_cache",
    "eventpoll_epi",
    "eventpoll_pwq",
    "skbuff_head_cache",
    "skbuff_fclone_cache",
    "skbuff_small_head",
];

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Kernel {
    /// What waits in TCP sockets.
    pub(crate) sockets: u64,
    /// What the sockets themselves are made of. None where it must not be read.
    pub(crate) slab: Option<u64>,
}

impl Kernel {
    pub(crate) fn now() -> Self {
        Self {
            sockets: fs::read_to_string("/proc/net/sockstat")
                .ok()
                .and_then(|text| sockets(&text))
                .unwrap_or_default(),
            slab: fs::read_to_string("/proc/slabinfo").ok().map(|text| slab(&text)),
        }
    }
}

fn sockets(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("TCP:"))?;
    let pages: u64 = line.rsplit(' ').next()?.parse().ok()?;
    Some(pages * 4096)
}

fn slab(text: &str) -> u64 {
    let bytes = |line: &str| -> Option<u64> {
        let mut fields = line.split_whitespace();
        let name = fields.next()?;
        if !SLABS.contains(&name) {
            return None;
        }
        let active: u64 = fields.next()?.parse().ok()?;
        let size: u64 = fields.nth(1)?.parse().ok()?;
        Some(active * size)
    };
    text.lines().filter_map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let text = "sockets: used 9\nTCP: inuse 4 orphan 0 tw 2 alloc 7 mem 3\nUDP: inuse 0 mem 9\n";
        assert_eq!(sockets(text), Some(3 * 4096));
        let text = "# name <active_objs> <num_objs> <objsize>\nTCP 10 20 2000 1 2 : x\ndentry 5 5 192 2 : x\n\
                    eventpoll_epi 10 10 128 1 : x\n";
        assert_eq!(slab(text), 10 * 2000 + 10 * 128);
    }
}
