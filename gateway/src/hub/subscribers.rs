//! The connections that listen to one topic.

use std::sync::Arc;

use tidegate_shared::position::{Offset, Position};

use crate::outbox::{Outbox, OutboxSet};

#[derive(Debug, Default)]
pub(super) struct Subscribers {
    set: OutboxSet,
    /// Those of the set that already have everything up to a position that the others have not
    /// reached. Empty but for moments.
    ahead: Vec<(Arc<Outbox>, Position)>,
}

impl Subscribers {
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Outbox>> {
        self.set.iter()
    }

    pub(super) fn contains(&self, outbox: &Arc<Outbox>) -> bool {
        self.set.contains(outbox)
    }

    /// `false` if it was there.
    pub(super) fn insert(&mut self, outbox: Arc<Outbox>) -> bool {
        self.set.insert(outbox)
    }

    /// `false` if it was not there.
    pub(super) fn remove(&mut self, outbox: &Arc<Outbox>) -> bool {
        self.ahead.retain(|(one, _)| !Arc::ptr_eq(one, outbox));
        self.set.remove(outbox)
    }

    pub(super) fn set_ahead(&mut self, outbox: Arc<Outbox>, position: Position) {
        self.ahead.push((outbox, position));
    }

    pub(super) fn has_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The position up to which it needs nothing, if it is ahead of the others.
    pub(super) fn ahead(&self, outbox: &Arc<Outbox>) -> Option<Position> {
        self.ahead
            .iter()
            .find(|(one, _)| Arc::ptr_eq(one, outbox))
            .map(|(_, position)| *position)
    }

    /// The last offset that anybody has who is ahead.
    pub(super) fn furthest(&self) -> Option<Offset> {
        self.ahead.iter().map(|(_, at)| at.offset).max()
    }

    /// Somebody is ahead at this very offset, but in another history.
    pub(super) fn is_forked_at(&self, position: &Position) -> bool {
        self.ahead
            .iter()
            .any(|(_, at)| at.offset == position.offset && at != position)
    }

    /// Everybody has been taken to the same position.
    pub(super) fn level(&mut self) {
        self.ahead = Vec::new();
    }

    /// The others have come to `position`: nobody up to there is ahead any more.
    pub(super) fn reached(&mut self, position: &Position) {
        if !self.ahead.is_empty() {
            self.ahead
                .retain(|(_, at)| at.epoch == position.epoch && at.offset > position.offset);
            if self.ahead.is_empty() {
                self.ahead = Vec::new();
            }
        }
    }
}
