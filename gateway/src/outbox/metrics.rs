//! What outboxes count, all connections together.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Bytes that wait in outboxes.
    pub(crate) bytes: IntGauge,
    /// Messages dropped because their client was too slow.
    pub(crate) dropped_slow: IntCounter,
    /// Messages left out because a newer one replaced them before the client could take them.
    pub(crate) dropped_coalesced: IntCounter,
    /// Messages that a client was too slow for: the log did not have them any more.
    pub(crate) dropped_lagged: IntCounter,
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
        Ok(Self {
            bytes,
            dropped_slow: dropped.with_label_values(&["slow_consumer"]),
            dropped_coalesced: dropped.with_label_values(&["coalesced"]),
            dropped_lagged: dropped.with_label_values(&["lagged"]),
        })
    }
}
