use std::collections::VecDeque;
use std::sync::Arc;

use crate::broker::{From, Lost, TOPIC_TTL};
use crate::embedded::clock::millis;
use crate::namespace::Namespace;
use crate::position::{Epoch, Offset, Position, Since, Tag};
use crate::publication::{Place, Publication};

/// The log of one topic and its numbering, which outlives the entries.
#[derive(Debug)]
pub(super) struct Log {
    top: Position,
    /// Contiguous, the last of them at `top`.
    entries: VecDeque<Arc<Publication>>,
    entries_until: u64,
    numbering_until: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            top: Position::start(Epoch::random()),
            entries: VecDeque::new(),
            entries_until: 0,
            numbering_until: 0,
        }
    }

    pub(super) fn top(&self) -> Position {
        self.top
    }

    /// The place of the next publication. The top moves on when it is appended.
    pub(super) fn next_place(&self) -> Place {
        Place {
            position: Position {
                epoch: self.top.epoch,
                offset: self.top.offset + 1,
                tag: Tag::random(),
            },
            previous: self.top.tag,
        }
    }

    /// Appends what was made for [`Log::next_place`].
    pub(super) fn append(
        &mut self,
        place: Place,
        publication: Arc<Publication>,
        namespace: &Namespace,
        now: u64,
    ) {
        self.top = place.position;
        self.entries.push_back(publication);
        let size = usize::try_from(namespace.log_length()).unwrap_or(usize::MAX);
        while self.entries.len() > size {
            self.entries.pop_front();
        }
        self.entries_until = now.saturating_add(millis(namespace.log_ttl));
        self.touch(namespace, now);
    }

    /// Keeps the numbering alive for its time from now on.
    pub(super) fn touch(&mut self, namespace: &Namespace, now: u64) {
        let ttl = TOPIC_TTL.max(namespace.log_ttl);
        self.numbering_until = now.saturating_add(millis(ttl));
    }

    pub(super) fn expire(&mut self, now: u64) {
        if self.entries_until <= now {
            self.entries = VecDeque::new();
        }
    }

    /// When there is something to expire next; the numbering itself only if `forgettable`.
    pub(super) fn due(&self, forgettable: bool) -> u64 {
        if !self.entries.is_empty() {
            self.entries_until
        } else if forgettable {
            self.numbering_until
        } else {
            u64::MAX
        }
    }

    pub(super) fn read(&self, from: From, limit: usize) -> Result<Vec<Arc<Publication>>, Lost> {
        match from {
            From::Now => Ok(Vec::new()),
            From::Newest => {
                let skipped = self.entries.len().saturating_sub(limit);
                Ok(self.entries.iter().skip(skipped).cloned().collect())
            }
            From::After(since) => {
                let start = self.find(since)?;
                Ok(self.entries.iter().skip(start).take(limit).cloned().collect())
            }
        }
    }

    /// Index of the entry right after a position; the length if that is the top.
    fn find(&self, since: Since) -> Result<usize, Lost> {
        if since.epoch != self.top.epoch {
            return Err(Lost::Epoch);
        }
        if since.offset > self.top.offset {
            return Err(Lost::Fork);
        }
        let differs = |tag: Tag| since.tag.is_some_and(|known| known != tag);
        if since.offset == self.top.offset {
            return if differs(self.top.tag) {
                Err(Lost::Fork)
            } else {
                Ok(self.entries.len())
            };
        }
        let index = self.index_of(since.offset + 1).ok_or(Lost::Trimmed)?;
        match self.entries.get(index).and_then(|entry| entry.place) {
            Some(next) if differs(next.previous) => Err(Lost::Fork),
            Some(_) => Ok(index),
            None => Err(Lost::Trimmed),
        }
    }

    fn index_of(&self, offset: Offset) -> Option<usize> {
        let behind_top = usize::try_from(self.top.offset.checked_sub(offset)?).ok()?;
        self.entries.len().checked_sub(behind_top.checked_add(1)?)
    }
}
