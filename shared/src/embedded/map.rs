use std::collections::{BTreeMap, BTreeSet};

use crate::broker::{BrokerError, rule};
use crate::json::RawJson;
use crate::name::StateKey;
use crate::namespace::Namespace;
use crate::topic::Topic;

/// The map of a state topic.
#[derive(Debug, Default)]
pub(super) struct Map {
    entries: BTreeMap<StateKey, Entry>,
    /// When keys end, for those that do.
    ends: BTreeSet<(u64, StateKey)>,
    /// Of all keys and values.
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: RawJson,
    until: Option<u64>,
}

impl Map {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the limits leave room for this.
    pub(super) fn check(
        &self,
        key: &StateKey,
        value: &RawJson,
        topic: &Topic,
        namespace: &Namespace,
    ) -> Result<(), BrokerError> {
        let old = self.entries.get(key).map(|entry| size(key, &entry.value));
        let most = usize::try_from(namespace.max_keys).unwrap_or(usize::MAX);
        if old.is_none() && self.entries.len() >= most {
            return Err(rule::too_many_keys(topic, namespace));
        }
        let bytes = self.bytes - old.unwrap_or(0) + size(key, value);
        if bytes > namespace.max_bytes && bytes > self.bytes {
            return Err(rule::too_many_bytes(topic, namespace));
        }
        Ok(())
    }

    pub(super) fn set(&mut self, key: &StateKey, value: &RawJson, until: Option<u64>) {
        self.remove(key);
        self.bytes += size(key, value);
        if let Some(until) = until {
            self.ends.insert((until, key.clone()));
        }
        let value = value.clone();
        self.entries.insert(key.clone(), Entry { value, until });
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, key: &StateKey) -> bool {
        let Some(entry) = self.entries.remove(key) else {
            return false;
        };
        self.bytes -= size(key, &entry.value);
        if let Some(until) = entry.until {
            self.ends.remove(&(until, key.clone()));
        }
        true
    }

    /// Takes off a key whose time is over, the one that ended first.
    pub(super) fn pop_ended(&mut self, now: u64) -> Option<StateKey> {
        let (_, key) = self.ends.first().filter(|(until, _)| *until <= now)?.clone();
        self.remove(&key);
        Some(key)
    }

    /// When the next key ends.
    pub(super) fn due(&self) -> Option<u64> {
        self.ends.first().map(|(until, _)| *until)
    }

    pub(super) fn snapshot(&self) -> Vec<(StateKey, RawJson)> {
        let entries = self.entries.iter();
        entries
            .map(|(key, entry)| (key.clone(), entry.value.clone()))
            .collect()
    }
}

fn size(key: &StateKey, value: &RawJson) -> usize {
    key.as_str().len() + value.size()
}
