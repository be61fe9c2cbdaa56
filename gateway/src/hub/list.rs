//! Publications that the hub keeps for a moment, bounded in number and bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use tidegate_shared::json::RawJson;
use tidegate_shared::publication::{Body, Publication};

/// Most publications and bytes in one list. Beyond it the log is read again.
pub(super) const LIST_LIMIT: usize = 1_024;
const LIST_BYTES: usize = 1024 * 1024;

/// Publications in the order they came, with their size.
#[derive(Debug, Default)]
pub(super) struct List {
    items: VecDeque<Arc<Publication>>,
    bytes: usize,
}

impl List {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Publication>> {
        self.items.iter()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Arc<Publication>> {
        self.items.get(index)
    }

    pub(super) fn push(&mut self, publication: Arc<Publication>) {
        self.bytes += size(&publication);
        self.items.push_back(publication);
    }

    pub(super) fn pop(&mut self) -> Option<Arc<Publication>> {
        let publication = self.items.pop_front()?;
        self.bytes -= size(&publication);
        if self.items.is_empty() {
            self.clear();
        }
        Some(publication)
    }

    pub(super) fn is_over(&self) -> bool {
        self.items.len() > LIST_LIMIT || self.bytes > LIST_BYTES
    }

    /// Keeps the newest.
    pub(super) fn trim(&mut self) {
        while self.is_over() {
            self.pop();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Roughly what it takes in memory.
pub(crate) fn size(publication: &Publication) -> usize {
    const FIXED: usize = 160;
    FIXED
        + match &publication.body {
            Body::Message { data, .. } => data.size(),
            Body::Set { value, .. } => value.size(),
            Body::Remove { .. } => 0,
            Body::Job { record } => record.size(),
            Body::Join { member } | Body::Leave { member } => member.info.as_ref().map_or(0, RawJson::size),
        }
}
