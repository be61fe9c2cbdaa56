//! The masters that there are, and which of them serves what. Never changes: a new one takes its place.

use std::sync::Arc;

use super::address::Server;
use super::master::Master;
use super::slots::{SLOTS, View, slot_of};

#[derive(Debug, Default)]
pub(super) struct Layout {
    masters: Vec<Arc<Master>>,
    /// The place in `masters` of the one that serves a slot. Empty: the first serves everything.
    owners: Box<[u16]>,
    view: Option<View>,
}

impl Layout {
    /// `masters` has one for each server that the view names.
    pub(super) fn new(masters: Vec<Arc<Master>>, view: View) -> Self {
        let mut owners = vec![u16::MAX; usize::from(SLOTS)].into_boxed_slice();
        for (first, last, server) in &view.ranges {
            let place = masters.iter().position(|one| one.endpoint.server == *server);
            let place = place.and_then(|place| u16::try_from(place).ok());
            owners[usize::from(*first)..=usize::from(*last)].fill(place.unwrap_or(u16::MAX));
        }
        if masters.len() == 1 && view.missing() == 0 {
            owners = Box::default();
        }
        Self {
            masters,
            owners,
            view: Some(view),
        }
    }

    pub(super) fn masters(&self) -> &[Arc<Master>] {
        &self.masters
    }

    pub(super) fn at(&self, server: &Server) -> Option<&Arc<Master>> {
        self.masters.iter().find(|one| one.endpoint.server == *server)
    }

    pub(super) fn with_id(&self, id: u64) -> Option<&Arc<Master>> {
        self.masters.iter().find(|one| one.id == id)
    }

    /// Who serves the keys with this tag.
    pub(super) fn of_tag(&self, tag: &str) -> Option<&Arc<Master>> {
        if self.owners.is_empty() {
            return self.masters.first();
        }
        self.of(slot_of(tag))
    }

    pub(super) fn of(&self, slot: u16) -> Option<&Arc<Master>> {
        if self.owners.is_empty() {
            return self.masters.first();
        }
        let place = self.owners.get(usize::from(slot))?;
        self.masters.get(usize::from(*place))
    }

    pub(super) fn shows(&self, view: &View) -> bool {
        self.view.as_ref() == Some(view)
    }

    /// See [`View::epoch`].
    pub(super) fn epoch(&self) -> u64 {
        self.view.as_ref().map_or(0, |view| view.epoch)
    }
}
