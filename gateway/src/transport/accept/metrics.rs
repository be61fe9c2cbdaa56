//! What the accept loop counts.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// Why a connection was turned away, as metrics name it.
const REASONS: [&str; 12] = [
    "limit",
    "rate",
    "head",
    "slow",
    "tls",
    "accept_error",
    "handshake",
    "origin",
    "token",
    "address",
    "user",
    "endpoint",
];

#[derive(Debug, Clone)]
pub struct Metrics {
    limit: IntGauge,
    rejected: IntCounterVec,
}

impl Metrics {
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let limit = IntGauge::new(
            "tidegate_connections_limit",
            "Connections this node takes at a time",
        )?;
        let rejected = IntCounterVec::new(
            Opts::new(
                "tidegate_connections_rejected_total",
                "Connections and handshakes that were turned away",
            ),
            &["reason"],
        )?;
        for reason in REASONS {
            rejected.with_label_values(&[reason]);
        }
        registry.register(Box::new(limit.clone()))?;
        registry.register(Box::new(rejected.clone()))?;
        Ok(Self { limit, rejected })
    }

    /// `reason` is one of a fixed few, never taken from a request.
    pub fn rejected(&self, reason: &'static str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    pub(super) fn set_limit(&self, connections: usize) {
        self.limit.set(i64::try_from(connections).unwrap_or(i64::MAX));
    }
}
