//! What came of a run, as data; and as text, figures, and one page.

mod figure;
mod html;
mod plot;
mod text;

use hdrhistogram::Histogram;
use serde::Serialize;

pub(crate) use figure::{Against, Figure, Goal};
pub(crate) use html::page;
pub(crate) use text::{Table, number};

use crate::driver::Returns;
use crate::scenario::Scenario;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) target: String,
    pub(crate) scenario: Scenario,
    pub(crate) clients: usize,
    /// Closed by the server, and not back.
    pub(crate) gone: usize,
    /// Clients whose server agreed to compress what it sends them.
    pub(crate) compressed: usize,
    pub(crate) connect: Phase,
    /// From before the first client until all had been quiet for two seconds.
    pub(crate) idle: Phase,
    pub(crate) whole: Phase,
    pub(crate) returns: Returns,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) following: Option<Following>,
    /// Of each second.
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Phase {
    pub(crate) seconds: f64,
    pub(crate) server_cpu_seconds: Option<f64>,
    pub(crate) redis_cpu_seconds: Option<f64>,
    /// CPU seconds of each process of the server, and of each Redis.
    pub(crate) nodes: Vec<f64>,
    pub(crate) masters: Vec<f64>,
    pub(crate) own_cpu_seconds: f64,
    pub(crate) rss_bytes_per_client: Option<f64>,
    pub(crate) pss_bytes_per_client: Option<f64>,
    /// Of the whole machine, and of both ends.
    pub(crate) socket_bytes_per_client: f64,
    pub(crate) slab_bytes_per_client: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Delivery {
    /// Bursts per second.
    pub(crate) rate: f64,
    pub(crate) published: u64,
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    /// Bytes that came to followers' sockets: with heads of frames, and of TLS.
    pub(crate) received: u64,
    /// Offsets that a client was not told, and was not told to be without.
    pub(crate) missing: u64,
    /// Times that a client was told that something is missing.
    pub(crate) told: u64,
    pub(crate) errors: u64,
    /// The last of them, as the server said it.
    pub(crate) error: Option<String>,
    pub(crate) latency: Latency,
    pub(crate) phase: Phase,
}

/// What followers of jobs were told.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Following {
    pub(crate) submitted: u64,
    pub(crate) succeeded: u64,
    /// Changes and reports.
    pub(crate) told: u64,
    pub(crate) ends: u64,
    pub(crate) expected_ends: u64,
    pub(crate) missing: u64,
    /// Times that a follower was told to start again from the job as it is.
    pub(crate) resets: u64,
    pub(crate) phase: Option<Phase>,
    /// From when a job was due to be submitted to when it was seen to run, and to when each follower knew its end.
    pub(crate) started: Option<Latency>,
    pub(crate) ended: Option<Latency>,
}

/// Milliseconds from when a publication was due to when a client had it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// For a plot: which part of the deliveries took at most so many milliseconds.
    pub(crate) curve: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the run began.
    pub(crate) at: f64,
    pub(crate) server_cpu_seconds: Option<f64>,
    pub(crate) rss: Option<u64>,
    pub(crate) connected: usize,
    pub(crate) delivered: u64,
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |nanos: u64| f64::from(u32::try_from(nanos / 1_000).unwrap_or(u32::MAX)) / 1_000.0;
        let at = |quantile: f64| ms(histogram.value_at_quantile(quantile));
        // Half of what is left, again and again: evenly on an axis of nines.
        let parts = (1..=50).map(|step| 1.0 - 0.5f64.powf(f64::from(step) / 3.0));
        Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(histogram.max()),
            curve: parts.map(|part| (part, at(part))).collect(),
        }
    }
}

impl Report {
    /// Whether every client had everything, or was told what not.
    pub(crate) fn is_whole(&self) -> bool {
        let followed = |one: &Following| one.missing == 0 && one.ends == one.expected_ends;
        if !self.following.as_ref().is_none_or(followed) {
            return false;
        }
        self.delivery.as_ref().is_none_or(|one| {
            let partly = self.scenario.stalled > 0 || one.told > 0 || self.returns.lost > 0;
            one.missing == 0 && one.errors == 0 && (partly || one.delivered == one.expected)
        })
    }
}
