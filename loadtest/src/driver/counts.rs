//! What clients were told.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

/// Of a latency, in nanoseconds: an hour.
pub(super) const LONGEST: u64 = 3_600_000_000_000;

pub(crate) struct Counts {
    pub(crate) delivered: u64,
    /// Bytes of the followers' sockets.
    pub(crate) received: u64,
    /// Numbers that a client was not told, and was not told to be without.
    pub(crate) missing: u64,
    /// Times that a client was told that something is missing.
    pub(crate) told: u64,
    pub(crate) errors: u64,
    /// The last of them.
    pub(crate) error: Option<String>,
    /// Of the whole run.
    pub(crate) returns: Returns,
    pub(crate) latency: Histogram<u64>,
}

/// Of clients that came back with the position they were at.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Returns {
    pub(crate) tried: u64,
    pub(crate) recovered: u64,
    /// Told that what they missed is not to be had.
    pub(crate) lost: u64,
}

impl Counts {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            delivered: 0,
            received: 0,
            missing: 0,
            told: 0,
            errors: 0,
            error: None,
            returns: Returns::default(),
            latency: Histogram::new_with_bounds(1, LONGEST, 3)?,
        })
    }

    pub(crate) fn message(&mut self, nanos: u64, missing: u64) {
        self.delivered += 1;
        self.missing += missing;
        self.latency.saturating_record(nanos.max(1));
    }
}
