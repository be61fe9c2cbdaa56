//! What a round of writes to many clients has done, told to the metrics once.

use std::cell::Cell;

use prometheus::local::LocalHistogram;
use tokio::time::Instant;

use super::metrics::seconds_since;
use super::{Frames, Metrics};
use crate::dialect::{Format, TABLE};

/// Tells the metrics when it is dropped.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    metrics: &'a Metrics,
    began: Cell<Option<Instant>>,
    messages: Vec<u64>,
    bytes: usize,
    /// How many bytes less wait.
    left: i64,
    latency: LocalHistogram,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(metrics: &'a Metrics) -> Self {
        Self {
            metrics,
            began: Cell::new(None),
            messages: vec![0; TABLE.len()],
            bytes: 0,
            left: 0,
            latency: metrics.latency.local(),
        }
    }

    /// When its first write was: a round is short.
    pub(super) fn now(&self) -> Instant {
        let now = self.began.get().unwrap_or_else(Instant::now);
        self.began.set(Some(now));
        now
    }

    pub(super) fn wrote(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Frames that counted `before` while they waited count so much less.
    pub(super) fn left(&mut self, before: usize, after: usize) {
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.left += signed(before) - signed(after);
    }

    /// All of these is written.
    pub(super) fn sent(&mut self, format: Format, frames: &Frames) {
        if let Some(messages) = self.messages.get_mut(format.place()) {
            *messages += frames.messages();
        }
        if let Some(published) = frames.published_ms() {
            self.latency.observe(seconds_since(published));
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.latency.flush();
        if self.bytes == 0 && self.left == 0 {
            return;
        }
        self.metrics.bytes.sub(self.left);
        self.metrics.sent_bytes.inc_by(self.bytes as u64);
        for (place, messages) in self.messages.iter().enumerate() {
            self.metrics.sent_by_place(place, *messages);
        }
    }
}
