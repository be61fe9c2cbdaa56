use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;

/// Milliseconds since 1970, as Redis counts them too, but never going back: when the system's clock is
/// set back, time stands still until it has caught up.
#[derive(Debug, Default)]
pub(super) struct Clock {
    latest: AtomicU64,
}

impl Clock {
    pub(super) fn now_ms(&self) -> u64 {
        let now = clock::now_ms();
        self.latest.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

/// Whole milliseconds; what is too long for a `u64` is for ever.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
