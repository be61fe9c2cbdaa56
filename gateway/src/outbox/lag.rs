//! What an outbox keeps in place of frames while its client does not keep up.

use std::collections::VecDeque;

use tidegate_shared::position::Position;
use tidegate_shared::topic::Topic;

use super::conflation::{Conflation, Item};
use super::{Frames, FramesBuilder, Origin, Put, Queue};
use crate::dialect::Format;

#[derive(Debug, Default)]
pub(super) struct Lag {
    conflation: Conflation,
    /// Topics whose log has what the client is to get next, and where it stands.
    behind: VecDeque<(Topic, Position)>,
    /// Somebody is reading the log for it.
    reading: bool,
}

impl Lag {
    pub(super) fn leave_behind(&mut self, topic: Topic, from: Position) {
        self.behind.push_back((topic, from));
    }

    /// Where to read on, if nobody is reading.
    pub(super) fn begin_reading(&mut self) -> Option<(Topic, Position)> {
        if self.reading {
            return None;
        }
        let next = self.behind.front().cloned();
        self.reading = next.is_some();
        next
    }

    pub(super) fn end_reading(&mut self) {
        self.reading = false;
    }

    /// The client has come to this place of the topic, or is behind there no longer. Other topics get
    /// their turn before it.
    pub(super) fn place(&mut self, topic: &Topic, place: Option<Position>) {
        let before = self.behind.len();
        self.behind.retain(|(one, _)| one != topic);
        if let Some(place) = place
            && self.behind.len() < before
        {
            self.behind.push_back((topic.clone(), place));
        }
    }

    pub(super) fn forget(&mut self, topic: &Topic) -> (bool, usize) {
        let (behind, weight) = (self.behind.len(), self.conflation.weight());
        self.place(topic, None);
        self.conflation.forget(topic);
        (self.behind.len() < behind, weight - self.conflation.weight())
    }

    pub(super) fn discard(&mut self) {
        self.conflation = Conflation::default();
    }
}

impl Queue {
    pub(super) fn is_coalescing(&self) -> bool {
        self.lag.as_ref().is_some_and(|lag| !lag.conflation.is_empty())
    }

    /// Takes in publications, or a notice, of a topic with the policy `latest`: from now on everything
    /// of such topics is coalesced until none of it waits.
    pub(super) fn coalesce(&mut self, frames: Frames, limit: usize) -> Put {
        let bytes = self.bytes;
        let mut left_out = 0;
        let begins = !self.is_coalescing();
        let lag = self.lag.get_or_insert_default();
        if begins {
            // Only what came before them is sent before them.
            let waiting = std::mem::take(&mut self.waiting);
            for frames in waiting {
                if let Origin::Any = frames.origin() {
                    self.waiting.push_back(frames);
                } else {
                    self.bytes -= frames.size();
                    left_out += take_in(&mut lag.conflation, frames);
                }
            }
            self.bytes += lag.conflation.weight();
        }
        let before = lag.conflation.weight();
        left_out += take_in(&mut lag.conflation, frames);
        self.bytes = self.bytes - before + lag.conflation.weight();
        if self.bytes > limit && lag.conflation.topics() > 1 {
            // `bytes` of them had been counted.
            self.bytes = bytes;
            return self.overflow(left_out);
        }
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        Put::Coalesced {
            wake: self.must_wake(),
            bytes: signed(self.bytes) - signed(bytes),
            messages: left_out,
        }
    }

    pub(super) fn take_coalesced(&mut self, format: Format) -> Option<Frames> {
        let conflation = &mut self.lag.as_mut()?.conflation;
        let before = conflation.weight();
        let frames = match conflation.pop()? {
            Item::Notice(frames) => frames,
            Item::Value(publication, skipped) => {
                let mut builder = FramesBuilder::new(format);
                builder.add_published(publication.time_ms, |out| {
                    format.dialect().encode_coalesced(&publication, skipped, out);
                });
                builder.finish_weighing(before - conflation.weight())
            }
        };
        self.bytes -= frames.size();
        self.tidy();
        Some(frames)
    }

    /// Takes no memory for what is over.
    pub(super) fn tidy(&mut self) {
        if let Some(lag) = &self.lag
            && !lag.reading
            && lag.behind.is_empty()
            && lag.conflation.is_empty()
        {
            self.lag = None;
        }
    }
}

/// Gives how many messages were left out.
fn take_in(conflation: &mut Conflation, mut frames: Frames) -> u64 {
    match std::mem::take(frames.origin_mut()) {
        Origin::Any => 0,
        Origin::Latest(publications) => publications.iter().map(|one| conflation.value(one)).sum(),
        Origin::Notice { topic, resets } => conflation.notice(&topic, frames, resets),
    }
}
