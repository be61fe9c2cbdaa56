//! A set of connections, found by the address of their outbox.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::Outbox;

/// Sets smaller than this are not worth shrinking.
const SMALL: usize = 64;

/// Holds no memory while it is empty.
#[derive(Debug, Default)]
pub(crate) struct OutboxSet {
    table: HashTable<Arc<Outbox>>,
}

impl OutboxSet {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Outbox>> {
        self.table.iter()
    }

    pub(crate) fn contains(&self, outbox: &Arc<Outbox>) -> bool {
        self.table
            .find(hash(outbox), |one| Arc::ptr_eq(one, outbox))
            .is_some()
    }

    /// `false` if it was there.
    pub(crate) fn insert(&mut self, outbox: Arc<Outbox>) -> bool {
        let entry = self
            .table
            .entry(hash(&outbox), |one| Arc::ptr_eq(one, &outbox), hash);
        match entry {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(outbox);
                true
            }
        }
    }

    /// `false` if it was not there.
    pub(crate) fn remove(&mut self, outbox: &Arc<Outbox>) -> bool {
        let Ok(found) = self
            .table
            .find_entry(hash(outbox), |one| Arc::ptr_eq(one, outbox))
        else {
            return false;
        };
        found.remove();
        if self.table.is_empty() {
            self.table = HashTable::new();
        } else if self.table.capacity() > SMALL && self.table.len() < self.table.capacity() / 4 {
            self.table.shrink_to(self.table.len() * 2, hash);
        }
        true
    }
}

/// Spreads addresses, which differ in their middle bits, over all bits.
fn hash(outbox: &Arc<Outbox>) -> u64 {
    (Arc::as_ptr(outbox) as u64 >> 4)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(26)
}
