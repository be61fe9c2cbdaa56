//! How late the runtime wakes its tasks: the first sign of a node with too much to do, or of a task
//! that blocks. What `/livez` answers.

use std::sync::{Arc, Weak};
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
    /// Measures in a task of its own, until nobody asks any more.
    pub(crate) fn start(metrics: LagMetrics) -> Arc<Self> {
        let lag = Arc::new(Self {
            beat: Mutex::new(Instant::now()),
        });
        tokio::spawn(measure(Arc::downgrade(&lag), metrics));
        lag
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

async fn measure(lag: Weak<Lag>, metrics: LagMetrics) {
    loop {
        let due = Instant::now() + INTERVAL;
        tokio::time::sleep_until(due).await;
        let Some(lag) = lag.upgrade() else { return };
        let now = Instant::now();
        let late = now.saturating_duration_since(due);
        metrics.seconds.observe(late.as_secs_f64());
        *lag.beat.lock() = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_turns_is_alive_and_one_that_stands_still_is_not() {
        let metrics = LagMetrics::register(&Registry::new()).expect("registers");
        let seconds = metrics.seconds.clone();
        let lag = Lag::start(metrics);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(lag.verdict(), Ok(()));
        assert!(seconds.get_sample_count() > 200);

        let unmeasured = Lag {
            beat: Mutex::new(Instant::now()),
        };
        tokio::time::advance(DEAD).await;
        assert!(unmeasured.verdict().is_err_and(|why| why.contains("10 s")));
    }
}
