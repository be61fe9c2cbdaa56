use std::time::Instant;

use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::scripts::Script;

/// Commands that are no scripts.
const COMMANDS: [&str; 9] = [
    "spublish",
    "del",
    "publish",
    "ssubscribe",
    "exists",
    "lpush",
    "hmget",
    "hscan",
    "hvals",
];

/// What went wrong with Redis, as the label `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A connection could not be made, or was found unfit.
    Connect,
    /// A connection was lost.
    Lost,
    Timeout,
    /// Redis answered a command with an error.
    Answer,
    /// More waited than is allowed, on the way to Redis or from it.
    Overflow,
    /// Something in a log or on a channel was not written by Tidegate.
    Rubbish,
}

impl Trouble {
    const ALL: [Self; 6] = [
        Self::Connect,
        Self::Lost,
        Self::Timeout,
        Self::Answer,
        Self::Overflow,
        Self::Rubbish,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
            Self::Answer => "answer",
            Self::Overflow => "overflow",
            Self::Rubbish => "rubbish",
        }
    }
}

/// The metrics of this backend.
#[derive(Debug, Clone)]
pub struct RedisMetrics {
    pub(super) up: Gauge,
    duration: HistogramVec,
    errors: IntCounterVec,
}

impl RedisMetrics {
    /// Creates them in a registry. All label values are there from the start.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            up: Gauge::new(
                "tidegate_redis_up",
                "Whether Redis can be used: 1 or 0, or the share of the masters of a Cluster that can.",
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    "tidegate_redis_command_duration_seconds",
                    "From sending a command to its answer, by script or command.",
                )
                .buckets(vec![
                    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                    1.0, 2.5,
                ]),
                &["command"],
            )?,
            errors: IntCounterVec::new(
                Opts::new(
                    "tidegate_redis_errors_total",
                    "What went wrong with Redis, by kind of trouble.",
                ),
                &["kind"],
            )?,
        };
        for script in Script::ALL {
            metrics.duration.with_label_values(&[script.name()]);
        }
        for command in COMMANDS {
            metrics.duration.with_label_values(&[command]);
        }
        for trouble in Trouble::ALL {
            metrics.errors.with_label_values(&[trouble.name()]);
        }
        registry.register(Box::new(metrics.up.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.errors.clone()))?;
        Ok(metrics)
    }

    pub(super) fn observe(&self, command: &'static str, started: Instant) {
        self.duration
            .with_label_values(&[command])
            .observe(started.elapsed().as_secs_f64());
    }

    pub(super) fn count(&self, trouble: Trouble) {
        self.errors.with_label_values(&[trouble.name()]).inc();
    }
}
