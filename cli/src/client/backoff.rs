//! How long to wait before the next attempt to connect: full jitter under a growing limit, so that the
//! clients of a node that went away don't come back in one wave.

use std::time::Duration;

const BASE: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(10);
/// Never less: a server that accepts and closes at once is not to be hammered.
const LEAST: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The wait before the next attempt. `random` is from 0 to 1.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let limit = BASE.saturating_mul(1 << self.attempts.min(16)).min(LIMIT);
        self.attempts = self.attempts.saturating_add(1);
        limit.mul_f64(random.clamp(0.0, 1.0)).max(LEAST)
    }

    /// The connection has proved to work.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_again_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..7).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        backoff.reset();
        assert_eq!(backoff.next(1.0), BASE);
        assert_eq!(backoff.next(0.0), LEAST);
    }
}
