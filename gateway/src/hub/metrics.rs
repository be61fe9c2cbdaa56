//! What the hub counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Debug)]
pub(super) struct HubMetrics {
    pub(super) subscriptions: IntGauge,
    pub(super) topics: IntGauge,
    /// A client came back with a position, and the log led on from it.
    pub(super) recovered: IntCounter,
    /// It did not.
    pub(super) not_recovered: IntCounter,
    pub(super) gaps: GapMetrics,
}

/// One for each repair that ended, by its outcome.
#[derive(Debug)]
pub(super) struct GapMetrics {
    /// Nothing was missing after all.
    pub(super) none: IntCounter,
    pub(super) repaired: IntCounter,
    pub(super) lagged: IntCounter,
    pub(super) reset: IntCounter,
    /// The log could not be read; it is tried again.
    pub(super) failed: IntCounter,
}

impl HubMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let subscriptions = IntGauge::new(
            "tidegate_subscriptions",
            "Subscriptions of the clients connected to this node",
        )?;
        let topics = IntGauge::new(
            "tidegate_topics",
            "Topics that this node listens to or has just stopped to",
        )?;
        let recoveries = IntCounterVec::new(
            Opts::new(
                "tidegate_recoveries_total",
                "Subscriptions with a position: recovered without a gap, or not",
            ),
            &["outcome"],
        )?;
        let gaps = IntCounterVec::new(
            Opts::new(
                "tidegate_gaps_total",
                "Topics checked for missed publications, by what came of it",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(subscriptions.clone()))?;
        registry.register(Box::new(topics.clone()))?;
        registry.register(Box::new(recoveries.clone()))?;
        registry.register(Box::new(gaps.clone()))?;
        let gap = |outcome| gaps.with_label_values(&[outcome]);
        Ok(Self {
            subscriptions,
            topics,
            recovered: recoveries.with_label_values(&["recovered"]),
            not_recovered: recoveries.with_label_values(&["not_recovered"]),
            gaps: GapMetrics {
                none: gap("none"),
                repaired: gap("repaired"),
                lagged: gap("lagged"),
                reset: gap("reset"),
                failed: gap("failed"),
            },
        })
    }
}
