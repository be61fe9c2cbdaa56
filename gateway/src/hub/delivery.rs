//! Hands publications to subscribers' outboxes: encoded once for each format, all of a batch in one
//! piece for each receiver, and every receiver woken once at the end.
//!
//! Never waits: a full outbox is its connection's end, and nobody else's concern.

use std::sync::Arc;

use tidegate_shared::position::Position;
use tidegate_shared::publication::Publication;

use super::subscribers::Subscribers;
use crate::dialect::{Format, Push};
use crate::outbox::{Frames, FramesBuilder, Metrics, Outbox, Put};

/// One batch. Dropping it wakes the receivers, so no lock may be held then.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    metrics: &'a Metrics,
    touched: Vec<Arc<Outbox>>,
    /// Put into outboxes, less what overflowed.
    bytes: i64,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(metrics: &'a Metrics) -> Self {
        Self {
            metrics,
            touched: Vec::new(),
            bytes: 0,
        }
    }

    /// Hands a run of one topic's publications to everybody. `false` if somebody who was ahead of the
    /// others turns out to have seen another history.
    pub(super) fn publications(&mut self, to: &mut Subscribers, run: &[Arc<Publication>]) -> bool {
        let Some(newest) = run.last() else { return true };
        let mut agreed = true;
        let excludes = run.iter().any(|one| one.exclude.is_some());
        let mut encoded: [Option<Option<Frames>>; Format::COUNT] = [const { None }; Format::COUNT];
        for outbox in to.iter() {
            let ahead = if to.has_ahead() { to.ahead(outbox) } else { None };
            let is_sender = excludes && run.iter().any(|one| one.exclude == Some(outbox.session()));
            if ahead.is_some() || is_sender {
                if ahead.is_some_and(|position| !run.iter().all(|one| agrees(one, &position))) {
                    // Nothing of this leads on from what it has.
                    agreed = false;
                    continue;
                }
                let some = run
                    .iter()
                    .filter(|one| one.exclude != Some(outbox.session()))
                    .filter(|one| !ahead.is_some_and(|position| has(&position, one)));
                if let Some(frames) = encode(outbox.format(), some) {
                    self.put(outbox, frames);
                }
                continue;
            }
            let format = outbox.format();
            let frames = encoded[format.index()].get_or_insert_with(|| encode(format, run.iter()));
            if let Some(frames) = frames.clone() {
                self.put(outbox, frames);
            }
        }
        if let Some(place) = &newest.place {
            to.reached(&place.position);
        }
        agreed
    }

    /// Tells one subscriber.
    pub(super) fn push(&mut self, to: &Arc<Outbox>, push: &Push<'_>) {
        let mut builder = FramesBuilder::new(to.format());
        builder.add(|out| to.format().dialect().encode_push(push, out));
        if let Some(frames) = builder.finish() {
            self.put(to, frames);
        }
    }

    pub(super) fn put(&mut self, to: &Arc<Outbox>, frames: Frames) {
        let size = i64::try_from(frames.size()).unwrap_or(i64::MAX);
        match to.put(frames) {
            Put::Queued { wake } => {
                self.bytes += size;
                if wake {
                    self.touched.push(to.clone());
                }
            }
            Put::Overflowed { messages, bytes } => {
                self.bytes -= i64::try_from(bytes).unwrap_or(i64::MAX);
                self.metrics.dropped_slow.inc_by(messages);
                self.touched.push(to.clone());
            }
            Put::Ending => {}
        }
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        self.metrics.bytes.add(self.bytes);
        for outbox in &self.touched {
            outbox.wake();
        }
    }
}

/// Appends publications to what goes to one outbox.
pub(super) fn append_all<'a>(
    builder: &mut FramesBuilder,
    format: Format,
    publications: impl Iterator<Item = &'a Arc<Publication>>,
) {
    for publication in publications {
        builder.add_published(publication.time_ms, |out| {
            format.dialect().encode_publication(publication, out);
        });
    }
}

fn encode<'a>(format: Format, publications: impl Iterator<Item = &'a Arc<Publication>>) -> Option<Frames> {
    let mut builder = FramesBuilder::new(format);
    append_all(&mut builder, format, publications);
    builder.finish()
}

/// Whether somebody at `position` has this publication already.
fn has(position: &Position, publication: &Publication) -> bool {
    publication.place.is_some_and(|place| {
        place.position.epoch == position.epoch && place.position.offset <= position.offset
    })
}

/// Whether this publication can be in the history that somebody at `position` has seen.
fn agrees(publication: &Publication, position: &Position) -> bool {
    publication.place.is_none_or(|place| {
        let at = place.position;
        at.epoch == position.epoch && (at.offset != position.offset || at.tag == position.tag)
    })
}
