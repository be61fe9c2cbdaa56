//! Publications that the hub keeps for a moment, bounded in number and bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use tidegate_shared::publication::Publication;

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
        self.bytes += publication.size();
        self.items.push_back(publication);
    }

    pub(super) fn pop(&mut self) -> Option<Arc<Publication>> {
        let publication = self.items.pop_front()?;
        self.bytes -= publication.size();
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
