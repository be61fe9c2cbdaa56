use std::collections::{HashMap, VecDeque};

use smallvec::SmallVec;

use crate::broker::{KEY_TTL, Published};
use crate::embedded::clock::millis;
use crate::embedded::log::Log;
use crate::embedded::map::Map;
use crate::embedded::topics::NodeNumber;
use crate::name::IdempotencyKey;

/// One topic as the store holds it: who listens, its log, its map, the idempotency keys of its
/// publications.
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) listeners: SmallVec<[NodeNumber; 2]>,
    /// There once the topic was read or published to, if its namespace has a log.
    pub(super) log: Option<Log>,
    /// Of a state topic.
    pub(super) map: Map,
    pub(super) keys: Keys,
    /// A job exists whose topic this is: its numbering stays.
    pub(super) held: bool,
    /// When the store looks at it next, if anything in it expires.
    pub(super) scheduled: Option<u64>,
}

impl Channel {
    pub(super) fn expire(&mut self, now: u64) {
        self.keys.expire(now);
        if let Some(log) = &mut self.log {
            log.expire(now);
        }
    }

    /// When something in it expires next. After [`Channel::expire`], and once the map has no key whose
    /// time has come, such a time means that nothing is left worth keeping.
    pub(super) fn due(&self) -> u64 {
        let forgettable = self.listeners.is_empty() && !self.held && self.map.is_empty();
        let log = self.log.as_ref().map(|log| log.due(forgettable));
        let first = [log, self.keys.due(), self.map.due()].into_iter().flatten().min();
        first.unwrap_or(if forgettable { 0 } else { u64::MAX })
    }
}

/// Idempotency keys of one topic, and what is answered to each when it comes again.
#[derive(Debug, Default)]
pub(super) struct Keys {
    answers: HashMap<IdempotencyKey, Published>,
    /// Oldest first: all live equally long.
    ends: VecDeque<(u64, IdempotencyKey)>,
}

impl Keys {
    pub(super) fn get(&self, key: &IdempotencyKey) -> Option<Published> {
        self.answers.get(key).copied()
    }

    /// Remembers the answer to the first use of a key.
    pub(super) fn insert(&mut self, key: IdempotencyKey, first: Published, now: u64) {
        let again = Published {
            duplicate: true,
            changed: false,
            ..first
        };
        self.ends
            .push_back((now.saturating_add(millis(KEY_TTL)), key.clone()));
        self.answers.insert(key, again);
    }

    fn expire(&mut self, now: u64) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, key)) = self.ends.pop_front() {
                self.answers.remove(&key);
            }
        }
    }

    fn due(&self) -> Option<u64> {
        self.ends.front().map(|(end, _)| *end)
    }
}
