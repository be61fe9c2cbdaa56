//! How much waits in the queues of this worker, as metrics. Every worker of a queue tells the same, so that the
//! figures are there as long as one is; take the maximum of them, not the sum. Reads only, and never claims.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Gauge, GaugeVec, IntGaugeVec, Opts, Registry};
use tidegate_shared::job::{JobDesk, QueueInfo};
use tidegate_shared::name::QueueName;

/// As often as Prometheus usually looks.
const INTERVAL: Duration = Duration::from_secs(10);
const STATES: [&str; 5] = ["queued", "scheduled", "retrying", "running", "dead"];

#[derive(Clone)]
pub(crate) struct Backlog {
    depth: IntGaugeVec,
    oldest: GaugeVec,
}

impl Backlog {
    pub(crate) fn register(registry: &Registry, queues: &[QueueName]) -> Result<Self, prometheus::Error> {
        let depth = IntGaugeVec::new(
            Opts::new(
                "tidegate_queue_depth",
                "Jobs in a queue by their state; every worker of the queue tells the same",
            ),
            &["queue", "state"],
        )?;
        let oldest = GaugeVec::new(
            Opts::new(
                "tidegate_queue_oldest_seconds",
                "How long the job that is next has been waiting; every worker of the queue tells the same",
            ),
            &["queue"],
        )?;
        registry.register(Box::new(depth.clone()))?;
        registry.register(Box::new(oldest.clone()))?;
        let backlog = Self { depth, oldest };
        for queue in queues {
            backlog.oldest_of(queue);
            for state in STATES {
                backlog.depth.with_label_values(&[queue.as_str(), state]);
            }
        }
        Ok(backlog)
    }

    /// Looks again and again. What cannot be read keeps its last value.
    pub(crate) async fn follow(&self, desk: Arc<dyn JobDesk>, queues: &[QueueName]) {
        loop {
            match desk.queues().await {
                Ok(infos) => self.show(&infos, queues),
                Err(error) => tracing::debug!(%error, "the queues cannot be looked at"),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// A queue that is not told of has no jobs.
    fn show(&self, infos: &[QueueInfo], queues: &[QueueName]) {
        for queue in queues {
            let info = infos.iter().find(|info| info.name == *queue);
            let counts = info.map_or([0; 5], |info| {
                [
                    info.queued,
                    info.scheduled,
                    info.retrying,
                    info.running,
                    info.dead,
                ]
            });
            for (state, count) in STATES.into_iter().zip(counts) {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.depth.with_label_values(&[queue.as_str(), state]).set(count);
            }
            let waited = info.and_then(|info| info.oldest_ms).unwrap_or_default();
            self.oldest_of(queue)
                .set(Duration::from_millis(waited).as_secs_f64());
        }
    }

    fn oldest_of(&self, queue: &QueueName) -> Gauge {
        self.oldest.with_label_values(&[queue.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_shown_and_a_queue_that_emptied_is_at_zero() {
        let mail = QueueName::parse("mail").expect("a name");
        let backlog = Backlog::register(&Registry::new(), std::slice::from_ref(&mail)).expect("registers");
        let info = QueueInfo {
            name: mail.clone(),
            paused: false,
            queued: 3,
            scheduled: 0,
            retrying: 1,
            running: 2,
            dead: 4,
            oldest_ms: Some(1_500),
        };
        backlog.show(&[info], std::slice::from_ref(&mail));
        let depth = |state| backlog.depth.with_label_values(&["mail", state]).get();
        assert_eq!(STATES.map(depth), [3, 0, 1, 2, 4]);
        assert!((backlog.oldest_of(&mail).get() - 1.5).abs() < f64::EPSILON);
        backlog.show(&[], std::slice::from_ref(&mail));
        assert_eq!(STATES.map(depth), [0; 5]);
        assert!(backlog.oldest_of(&mail).get().abs() < f64::EPSILON);
    }
}
