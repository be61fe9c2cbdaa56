//! This machine's clock, as time since 1970. Of a clock that is set before that there is none: it reads 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}
