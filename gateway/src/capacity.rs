//! How many clients a node takes: what is configured, or what the process may have open.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for what is no client: listeners, Redis, HTTP requests, the log.
const RESERVED: usize = 128;

/// Without any limit of the system's.
const UNLIMITED: usize = 1 << 20;

/// Raises the process's limit of open files to the most it may have. For binaries, once at the start.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    Ok(())
}

/// How many files the process may have open now.
fn descriptors() -> usize {
    getrlimit(Resource::Nofile)
        .current
        .and_then(|limit| usize::try_from(limit).ok())
        .map_or(UNLIMITED, |limit| limit.min(UNLIMITED))
}

/// The limit that holds. `configured` 0 means all that the system allows.
pub(crate) fn connections(configured: usize) -> usize {
    let possible = possible(descriptors());
    match configured {
        0 => possible,
        configured if configured > possible => {
            tracing::warn!(
                configured,
                possible,
                "limits.connections is more than the limit of open files allows; raise it (ulimit -n, LimitNOFILE=)"
            );
            possible
        }
        configured => configured,
    }
}

fn possible(descriptors: usize) -> usize {
    descriptors.saturating_sub(RESERVED).max(descriptors / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_left_for_what_is_no_client() {
        assert_eq!(possible(1_024), 896);
        assert_eq!(possible(200), 100);
        assert_eq!(possible(0), 1);
    }

    #[test]
    fn what_is_configured_holds_unless_the_system_allows_less() {
        assert_eq!(connections(1), 1);
        assert_eq!(connections(0), connections(usize::MAX));
    }
}
