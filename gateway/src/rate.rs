//! How often something may happen: a bucket that empties at the rate, and holds twice what a second may bring.
//!
//! Has no clock; times are handed in.

use std::time::Duration;

use tokio::time::Instant;

/// Seconds' worth of what may come at once.
const BURST: u32 = 2;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bucket {
    empty_at: Option<Instant>,
}

impl Bucket {
    /// Whether one more fits. At `per_second` 0 any number does.
    pub(crate) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        if per_second == 0 {
            return true;
        }
        let step = Duration::from_secs(1) / per_second;
        let empty_at = self.empty_at.map_or(now, |at| at.max(now)) + step;
        let fits = empty_at - now <= step * per_second.saturating_mul(BURST);
        if fits {
            self.empty_at = Some(empty_at);
        }
        fits
    }

    /// One that is empty is as good as none.
    pub(crate) fn is_empty(&self, now: Instant) -> bool {
        self.empty_at.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_two_seconds_passes_and_then_the_rate() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let mut take = |after| bucket.take(10, start + Duration::from_millis(after));
        assert!((0..20).all(|_| take(0)));
        assert!(!take(0));
        assert!(take(100));
        assert!(!take(100));
        assert!(take(10_000), "what was too much is forgotten");
    }

    #[test]
    fn without_a_limit_there_is_none() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        assert!((0..1_000).all(|_| bucket.take(0, start)));
        assert!(bucket.is_empty(start));
    }

    #[test]
    fn a_bucket_is_empty_when_all_of_it_has_run_out() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        assert!(bucket.take(2, start));
        assert!(!bucket.is_empty(start));
        assert!(bucket.is_empty(start + Duration::from_millis(500)));
    }
}
