//! The figures that servers are compared by, and goals for them.

use serde::{Deserialize, Serialize};

use crate::report::Report;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Figure {
    /// For a second of the server's CPU.
    Deliveries,
    /// Bytes of the wire for each.
    Wire,
    /// Connections that subscribe, for a second of the server's CPU.
    Connects,
    /// Bytes of an idle client.
    Rss,
    Pss,
    /// Both ends of it.
    Kernel,
    /// Microseconds of Redis' CPU for a subscription, and for a publication.
    RedisSubscribe,
    Redis,
    P50,
    P99,
    P999,
}

impl Figure {
    pub(crate) const ALL: [Self; 11] = [
        Self::Deliveries,
        Self::Wire,
        Self::Connects,
        Self::Rss,
        Self::Pss,
        Self::Kernel,
        Self::RedisSubscribe,
        Self::Redis,
        Self::P50,
        Self::P99,
        Self::P999,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries per server-CPU-second",
            Self::Wire => "bytes on the wire per delivery",
            Self::Connects => "connect + subscribe per server-CPU-second",
            Self::Rss => "idle client, bytes of RSS",
            Self::Pss => "idle client, bytes of PSS",
            Self::Kernel => "idle client, bytes of kernel (both ends)",
            Self::RedisSubscribe => "Redis CPU per subscription, µs",
            Self::Redis => "Redis CPU per publication, µs",
            Self::P50 => "latency p50, ms",
            Self::P99 => "latency p99, ms",
            Self::P999 => "latency p99.9, ms",
        }
    }

    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::Deliveries | Self::Connects)
    }

    /// Whether a run of this scenario is made to tell it.
    pub(crate) fn of(self, report: &Report) -> Option<f64> {
        let clients = count(report.clients as u64);
        let positive = |value: f64| (value > 0.0).then_some(value);
        let Some(one) = &report.delivery else {
            return match self {
                Self::Connects => Some(clients / positive(report.connect.server_cpu_seconds?)?),
                Self::RedisSubscribe => Some(report.connect.redis_cpu_seconds? * 1e6 / positive(clients)?),
                Self::Rss => report.idle.rss_bytes_per_client,
                Self::Pss => report.idle.pss_bytes_per_client,
                Self::Kernel => {
                    let slab = report.idle.slab_bytes_per_client.unwrap_or_default();
                    Some(report.idle.socket_bytes_per_client + slab)
                }
                _ => None,
            };
        };
        match self {
            Self::Deliveries => Some(count(one.delivered) / positive(one.phase.server_cpu_seconds?)?),
            Self::Wire => Some(count(one.received) / positive(count(one.delivered))?),
            Self::Redis => Some(one.phase.redis_cpu_seconds? * 1e6 / positive(count(one.published))?),
            // Sent when the one before had arrived, and so never late.
            _ if report.scenario.lockstep => None,
            Self::P50 => Some(one.latency.p50),
            Self::P99 => Some(one.latency.p99),
            Self::P999 => Some(one.latency.p999),
            _ => None,
        }
    }
}

/// Whom a figure is to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Against {
    Limit,
    LimitBatched,
    BestPeer,
    BestRedisPeer,
}

/// What Tidegate's figure should be: by itself, or divided by that of another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Goal {
    pub(crate) figure: Figure,
    #[serde(default)]
    pub(crate) against: Option<Against>,
    #[serde(default)]
    pub(crate) at_least: Option<f64>,
    #[serde(default)]
    pub(crate) at_most: Option<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn count(number: u64) -> f64 {
    number as f64
}
