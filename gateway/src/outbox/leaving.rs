//! What has been taken out of an outbox and is on its way to the client: what there is to count and tell when it has
//! been written.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::{Frames, Traced};

/// Adds up until it is told.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    pub(super) messages: u64,
    /// When the oldest of the publications was published.
    pub(super) published_ms: Option<NonZeroU64>,
    /// The first of them that is traced.
    traced: Option<Arc<Traced>>,
}

impl Leaving {
    pub(crate) fn add(&mut self, frames: &Frames) {
        self.messages += frames.messages();
        self.published_ms = self
            .published_ms
            .or(frames.published_ms().and_then(NonZeroU64::new));
        if self.traced.is_none() {
            self.traced = frames.traced().cloned();
        }
    }

    /// Whether there is anything that a client sees.
    pub(crate) fn has_messages(&self) -> bool {
        self.messages > 0
    }

    /// The trace to tell the end of, and when its publication was published.
    pub(crate) fn traced(&mut self) -> Option<(Arc<Traced>, Option<u64>)> {
        let published_ms = self.published_ms.map(NonZeroU64::get);
        self.traced.take().map(|traced| (traced, published_ms))
    }
}
