//! How long to wait before asking a backend again that did not answer, and what to say about it.

use std::fmt;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

/// Doubling delays from `base` to `cap`, each between half and the whole of it, so that many workers
/// do not come back at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            failures: 0,
        }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let whole = self.base.saturating_mul(1 << self.failures.min(16)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        jitter(whole)
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

/// Between half of a duration and the whole of it.
pub(crate) fn jitter(whole: Duration) -> Duration {
    whole.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// Says once that something no longer works, and once that it works again.
#[derive(Debug)]
pub(crate) struct Outage {
    what: &'static str,
    since: Option<Instant>,
}

impl Outage {
    /// `what` cannot be done, as `claim jobs`.
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, since: None }
    }

    pub(crate) fn failed(&mut self, error: &dyn fmt::Display) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            tracing::warn!("cannot {}: {error}; trying again until it works", self.what);
        }
    }

    pub(crate) fn over(&mut self) {
        if let Some(since) = self.since.take() {
            tracing::info!("can {} again, after {:.1?}", self.what, since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_begin_anew_after_a_reset() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = Backoff::new(base, cap);
        for whole in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map(Duration::from_millis) {
            let delay = backoff.next();
            assert!(delay >= whole / 2 && delay <= whole, "{delay:?} for {whole:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next() <= cap);
        }
        backoff.reset();
        assert!(backoff.next() <= base);
    }
}
