//! What outboxes count, all connections together: what waits in them, what is written out of them, and what is not.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tidegate_shared::clock::since_1970;

use super::Leaving;
use crate::dialect::{Format, TABLE};

/// Seconds from publish to socket write. The goal is 99 % within a quarter of a second.
const LATENCIES: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

#[derive(Debug)]
pub(crate) struct Metrics {
    /// Bytes that wait in outboxes.
    pub(crate) bytes: IntGauge,
    /// Messages dropped because their client was too slow.
    pub(crate) dropped_slow: IntCounter,
    /// Messages left out because a newer one replaced them before the client could take them.
    pub(crate) dropped_coalesced: IntCounter,
    /// Messages that a client was too slow for: the log did not have them any more.
    pub(crate) dropped_lagged: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(super) latency: Histogram,
    /// Messages, by the dialect's place in its table.
    sent: Vec<IntCounter>,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let bytes = IntGauge::new(
            "tidegate_outbox_bytes",
            "Bytes that wait to be written to clients",
        )?;
        let dropped = IntCounterVec::new(
            Opts::new(
                "tidegate_messages_dropped_total",
                "Messages that were not delivered to a client they were meant for",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(bytes.clone()))?;
        registry.register(Box::new(dropped.clone()))?;
        let sent = IntCounterVec::new(
            Opts::new("tidegate_messages_sent_total", "Messages written to clients"),
            &["dialect"],
        )?;
        registry.register(Box::new(sent.clone()))?;
        let sent_bytes = IntCounter::new(
            "tidegate_sent_bytes_total",
            "Bytes written to clients, framing included",
        )?;
        registry.register(Box::new(sent_bytes.clone()))?;
        let latency = HistogramOpts::new(
            "tidegate_delivery_latency_seconds",
            "From publish, by the backend's clock, to the write to the client's socket",
        );
        let latency = Histogram::with_opts(latency.buckets(LATENCIES.to_vec()))?;
        registry.register(Box::new(latency.clone()))?;
        Ok(Self {
            bytes,
            dropped_slow: dropped.with_label_values(&["slow_consumer"]),
            dropped_coalesced: dropped.with_label_values(&["coalesced"]),
            dropped_lagged: dropped.with_label_values(&["lagged"]),
            sent_bytes,
            latency,
            sent: TABLE
                .iter()
                .map(|dialect| sent.with_label_values(&[dialect.name()]))
                .collect(),
        })
    }

    /// So many bytes wait no longer.
    pub(crate) fn left(&self, bytes: usize) {
        self.bytes.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// All that was taken has been written.
    pub(crate) fn sent(&self, format: Format, leaving: &Leaving) {
        self.sent_by_place(format.place(), leaving.messages);
        if let Some(published) = leaving.published_ms {
            self.latency.observe(seconds_since(published.get()));
        }
    }

    pub(super) fn sent_by_place(&self, place: usize, messages: u64) {
        if messages > 0
            && let Some(counter) = self.sent.get(place)
        {
            counter.inc_by(messages);
        }
    }
}

/// Since a time in milliseconds since 1970. The clocks of two machines may differ: never negative.
pub(super) fn seconds_since(published_ms: u64) -> f64 {
    since_1970()
        .saturating_sub(Duration::from_millis(published_ms))
        .as_secs_f64()
}
