//! Hands publications to subscribers' outboxes: encoded once for each format, all of a batch in one
//! piece for each receiver, and every outbox flushed once at the end.
//!
//! Never waits: what becomes of a client that does not keep up is its outbox's and its topic's concern,
//! and nobody else's.

use std::sync::Arc;

use tidegate_shared::namespace::SlowPolicy;
use tidegate_shared::position::Position;
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::ending::ends;
use super::mentions::mentioned;
use super::subscribers::Subscribers;
use crate::dialect::{Format, Push};
use crate::outbox::{Frames, FramesBuilder, Metrics, Origin, Outbox, Put, Tally};

/// Most outboxes that are flushed in one go. Those of a larger batch are parted, so that all threads of the node take
/// their share, and others get their turn in between.
const FLUSHED: usize = 64;

/// One batch. Dropping it flushes the outboxes, so no lock may be held then.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    metrics: &'a Arc<Metrics>,
    touched: Vec<Arc<Outbox>>,
    /// Put into outboxes, less what overflowed.
    bytes: i64,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(metrics: &'a Arc<Metrics>) -> Self {
        Self {
            metrics,
            touched: Vec::new(),
            bytes: 0,
        }
    }

    /// Hands a run of one topic's publications to everybody.
    pub(super) fn publications(
        &mut self,
        to: &mut Subscribers,
        run: &[Arc<Publication>],
        slow: SlowPolicy,
    ) -> Handed {
        let mut handed = Handed {
            agreed: true,
            behind: Vec::new(),
        };
        let Some(newest) = run.last() else { return handed };
        let is_end = ends(run);
        let excludes = run
            .iter()
            .any(|one| one.exclude.is_some() || mentioned(one).is_some());
        // Receivers have one or two formats, whatever formats there are.
        let mut encoded: Vec<(Format, Option<Frames>)> = Vec::new();
        for outbox in to.iter() {
            let ahead = if to.has_ahead() { to.ahead(outbox) } else { None };
            let is_excluded = (excludes || outbox.chooses()) && !run.iter().all(|one| is_for(one, outbox));
            let format = outbox.format();
            let frames = if ahead.is_some() || is_excluded {
                if ahead.is_some_and(|position| !run.iter().all(|one| agrees(one, &position))) {
                    // Nothing of this leads on from what it has.
                    handed.agreed = false;
                    continue;
                }
                let some: Vec<Arc<Publication>> = run
                    .iter()
                    .filter(|one| is_for(one, outbox))
                    .filter(|one| !ahead.is_some_and(|position| has(&position, one)))
                    .cloned()
                    .collect();
                encode(format, &some, slow)
            } else if let Some((_, frames)) = encoded.iter().find(|(one, _)| *one == format) {
                frames.clone()
            } else {
                let frames = encode(format, run, slow);
                encoded.push((format, frames.clone()));
                frames
            };
            let Some(frames) = frames else { continue };
            if slow == SlowPolicy::CatchUp
                && let Some(from) = ahead.or_else(|| before(run))
            {
                if !self.put_or_leave_behind(outbox, frames, &newest.topic, from) {
                    handed.behind.push(outbox.clone());
                    continue;
                }
            } else {
                self.put(outbox, frames);
            }
            if is_end {
                self.ended(outbox, &newest.topic);
            }
        }
        if let Some(place) = &newest.place {
            to.reached(&place.position);
        }
        handed
    }

    /// Tells one subscriber of a topic.
    pub(super) fn push(&mut self, to: &Arc<Outbox>, push: &Push<'_>, slow: SlowPolicy) {
        let mut builder = FramesBuilder::new(to.format());
        builder.add(|out| to.format().dialect().encode_push(push, out));
        let Some(frames) = builder.finish() else { return };
        let frames = match push {
            Push::Lagged { topic, .. } | Push::Reset { topic, .. } if slow == SlowPolicy::Latest => frames
                .of(Origin::Notice {
                    topic: (*topic).clone(),
                    resets: matches!(push, Push::Reset { .. }),
                }),
            _ => frames,
        };
        self.put(to, frames);
    }

    /// Hands one publication to one client, whether or not it follows the topic.
    pub(super) fn publication(&mut self, to: &Arc<Outbox>, publication: &Publication) {
        let mut builder = FramesBuilder::new(to.format());
        builder.add_published(publication.time_ms, |out| {
            to.format().dialect().encode_publication(publication, out);
        });
        if let Some(frames) = builder.finish() {
            self.put(to, frames);
        }
    }

    pub(super) fn put(&mut self, to: &Arc<Outbox>, frames: Frames) {
        let put = to.put(frames);
        self.note(to, put);
    }

    /// What was put last is all that there will be of this job.
    pub(super) fn ended(&mut self, to: &Arc<Outbox>, topic: &Topic) {
        to.ended(topic, Instant::now());
        self.touched.push(to.clone());
    }

    /// `false` if it does not keep up: then it has to read the topic's log from `from` on.
    fn put_or_leave_behind(
        &mut self,
        to: &Arc<Outbox>,
        frames: Frames,
        topic: &Topic,
        from: Position,
    ) -> bool {
        let put = to.put_or_leave_behind(frames, topic, from);
        self.note(to, put);
        put != Put::Behind
    }

    /// A page of the log for somebody who is behind. `false` if it does not fit, and was not put.
    pub(super) fn put_page(
        &mut self,
        to: &Arc<Outbox>,
        frames: Option<Frames>,
        topic: &Topic,
        place: Option<Position>,
    ) -> bool {
        let put = to.put_page(frames, topic, place);
        self.note(to, put);
        put != Put::Behind
    }

    fn note(&mut self, to: &Arc<Outbox>, put: Put) {
        match put {
            Put::Queued { wake, bytes } => {
                self.bytes += bytes;
                if wake {
                    self.touched.push(to.clone());
                }
            }
            Put::Coalesced {
                wake,
                bytes,
                messages,
            } => {
                self.bytes += bytes;
                self.metrics.dropped_coalesced.inc_by(messages);
                if wake {
                    self.touched.push(to.clone());
                }
            }
            Put::Overflowed { messages, bytes } => {
                self.bytes -= i64::try_from(bytes).unwrap_or(i64::MAX);
                self.metrics.dropped_slow.inc_by(messages);
                self.touched.push(to.clone());
            }
            Put::Behind | Put::Ending => {}
        }
    }
}

/// How a run of publications was taken.
#[derive(Debug)]
pub(super) struct Handed {
    /// `false` if somebody who was ahead of the others turns out to have seen another history.
    pub(super) agreed: bool,
    /// Those who were not handed it: from there on they read the log.
    pub(super) behind: Vec<Arc<Outbox>>,
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        self.metrics.bytes.add(self.bytes);
        while self.touched.len() > FLUSHED
            && let Ok(runtime) = Handle::try_current()
        {
            let some = self.touched.split_off(self.touched.len() - FLUSHED);
            let metrics = self.metrics.clone();
            runtime.spawn(async move { flush(&some, &metrics) });
        }
        flush(&self.touched, self.metrics);
    }
}

fn flush(outboxes: &[Arc<Outbox>], metrics: &Metrics) {
    let mut tally = Tally::new(metrics);
    for outbox in outboxes {
        outbox.flush(&mut tally);
    }
}

/// Nobody hears what it asked not to hear, nor of its own coming and going, nor, where it has to choose, what it has not
/// chosen.
pub(super) fn is_for(publication: &Publication, outbox: &Outbox) -> bool {
    let session = Some(outbox.session());
    publication.exclude != session && mentioned(publication) != session && outbox.wants(publication)
}

/// Appends publications to what goes to one outbox.
pub(super) fn append_all<'a>(
    builder: &mut FramesBuilder,
    format: Format,
    publications: impl Iterator<Item = &'a Arc<Publication>>,
) {
    for publication in publications {
        if let Some(trace) = publication.trace {
            builder.trace(trace);
        }
        builder.add_published(publication.time_ms, |out| {
            format.dialect().encode_publication(publication, out);
        });
    }
}

fn encode(format: Format, run: &[Arc<Publication>], slow: SlowPolicy) -> Option<Frames> {
    let mut builder = FramesBuilder::new(format);
    append_all(&mut builder, format, run.iter());
    let frames = builder.finish()?;
    Some(match slow {
        SlowPolicy::Latest => frames.of(Origin::Latest(run.into())),
        SlowPolicy::Close | SlowPolicy::CatchUp => frames,
    })
}

/// Where somebody stands who needs all of this run.
fn before(run: &[Arc<Publication>]) -> Option<Position> {
    let place = run.iter().find_map(|one| one.place)?;
    Some(Position {
        offset: place.position.offset.saturating_sub(1),
        tag: place.previous,
        ..place.position
    })
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
