//! How late the runtime wakes its tasks: the first sign of a node with too much to do, or of a task
//! that blocks. What `/livez` answers.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::{Histogram, HistogramOpts, Registry};
use tokio::time::Instant;

/// Often enough to see a stall of a second, seldom enough to cost nothing.
const INTERVAL: Duration = Duration::from_millis(250);

/// A runtime that has not woken the measuring task for this long does not turn.
const DEAD: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct LagMetrics {
    seconds: Histogram,
}

impl LagMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = Histogram::with_opts(
            HistogramOpts::new(
                "tidegate_runtime_lag_seconds",
                "How late a timer of the async runtime fires, measured four times a second",
            )
            .buckets(vec![
                0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
            ]),
        )?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { seconds })
    }
}

/// When the measuring task last ran.
#[derive(Debug)]
pub(crate) struct Lag {
    beat: Mutex<Instant>,
}

impl Lag {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            beat: Mutex::new(Instant::now()),
        })
    }

    /// Measures for as long as it is polled.
    pub(crate) async fn measure(&self, metrics: &LagMetrics) {
        loop {
            let due = Instant::now() + INTERVAL;
            tokio::time::sleep_until(due).await;
            let now = Instant::now();
            metrics
                .seconds
                .observe(now.saturating_duration_since(due).as_secs_f64());
            *self.beat.lock() = now;
        }
    }

    /// Whether the runtime turns.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let still = self.beat.lock().elapsed();
        if still < DEAD {
            Ok(())
        } else {
            Err(format!(
                "the runtime's timers have stood still for {} s",
                still.as_secs()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_turns_is_alive_and_one_that_stands_still_is_not() {
        let metrics = LagMetrics::register(&Registry::new()).expect("registers");
        let lag = Lag::new();
        let measuring = tokio::time::timeout(Duration::from_secs(60), lag.measure(&metrics));
        assert!(measuring.await.is_err(), "it measures until it is dropped");
        assert_eq!(lag.verdict(), Ok(()));
        assert!(metrics.seconds.get_sample_count() > 200);

        tokio::time::advance(DEAD).await;
        assert!(lag.verdict().is_err_and(|why| why.contains("10 s")));
    }
}
