//! What the rest of the process is told about the connections.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::metrics::RedisMetrics;
use crate::broker::Link;

/// Puts the states of all connections together.
///
/// A master can be used where both commands and hearing work. Up means that one can: with a single server or
/// under Sentinels, the only one; in a Cluster, any. What the others of a Cluster serve fails with
/// `Unavailable` meanwhile, and is repaired when they are back. To come up, each master must have had its
/// chance: been reached, or found out of reach.
#[derive(Debug)]
pub(super) struct LinkState {
    parts: Mutex<Parts>,
    link: watch::Sender<Link>,
    metrics: RedisMetrics,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Commands,
    Hearing,
}

#[derive(Debug, Default)]
struct Parts {
    masters: BTreeMap<u64, Connections>,
    up: bool,
    /// Was up before.
    reached: bool,
    refused: Option<String>,
}

/// Of one master; absent: not tried yet.
#[derive(Debug, Default)]
struct Connections {
    commands: Option<bool>,
    hearing: Option<bool>,
}

impl Connections {
    fn usable(&self) -> bool {
        self.commands == Some(true) && self.hearing == Some(true)
    }

    fn tried(&self) -> bool {
        self.commands == Some(false) || (self.commands.is_some() && self.hearing.is_some())
    }
}

impl LinkState {
    pub(super) fn new(metrics: RedisMetrics) -> Self {
        metrics.up.set(0.0);
        Self {
            parts: Mutex::default(),
            link: watch::Sender::new(Link::Connecting),
            metrics,
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// There are these masters from now on.
    pub(super) fn masters(&self, ids: impl Iterator<Item = u64>) {
        self.change(|parts| {
            let mut old = std::mem::take(&mut parts.masters);
            parts.masters = ids.map(|id| (id, old.remove(&id).unwrap_or_default())).collect();
        });
    }

    /// Nothing is known of masters that are not there any more.
    pub(super) fn set(&self, master: u64, part: Part, up: bool) {
        self.change(|parts| {
            if let Some(connections) = parts.masters.get_mut(&master) {
                match part {
                    Part::Commands => connections.commands = Some(up),
                    Part::Hearing => connections.hearing = Some(up),
                }
            }
        });
    }

    pub(super) fn refuse(&self, why: String) {
        self.change(|parts| parts.refused = Some(why));
    }

    pub(super) fn was_reached(&self) -> bool {
        self.parts.lock().reached
    }

    /// What to answer while a call can't be made.
    pub(super) fn why_not(&self) -> String {
        match &*self.link.borrow() {
            Link::Connecting => "not connected to Redis yet".to_owned(),
            Link::Up | Link::Down => "the connection to Redis is lost".to_owned(),
            Link::Refused(why) => why.clone(),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a Cluster has at most a thousand masters"
    )]
    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock();
        change(&mut parts);
        let usable = parts.masters.values().filter(|one| one.usable()).count();
        let tried = parts.masters.values().all(Connections::tried);
        parts.up = parts.refused.is_none() && usable > 0 && (parts.up || tried);
        parts.reached |= parts.up;
        let link = match &parts.refused {
            Some(why) => Link::Refused(why.clone()),
            None if parts.up => Link::Up,
            None if parts.reached => Link::Down,
            None => Link::Connecting,
        };
        let share = if parts.up {
            usable as f64 / parts.masters.len() as f64
        } else {
            0.0
        };
        self.metrics.up.set(share);
        self.link.send_if_modified(|current| {
            let changed = *current != link;
            *current = link;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    fn state() -> LinkState {
        LinkState::new(RedisMetrics::register(&Registry::new()).expect("metrics"))
    }

    fn both(state: &LinkState, master: u64, up: bool) {
        state.set(master, Part::Commands, up);
        state.set(master, Part::Hearing, up);
    }

    #[test]
    fn it_comes_up_when_every_master_had_its_chance_and_goes_down_with_the_last() {
        let state = state();
        let link = state.subscribe();
        state.masters(1..=3);
        both(&state, 1, true);
        both(&state, 2, true);
        assert_eq!(*link.borrow(), Link::Connecting);
        state.set(3, Part::Commands, false);
        assert_eq!(*link.borrow(), Link::Up);
        assert!((state.metrics.up.get() - 2.0 / 3.0).abs() < 1e-9);
        both(&state, 3, true);
        both(&state, 1, false);
        both(&state, 2, false);
        assert_eq!(*link.borrow(), Link::Up);
        both(&state, 3, false);
        assert_eq!(*link.borrow(), Link::Down);
        assert!(state.metrics.up.get().abs() < 1e-9);
    }

    #[test]
    fn a_master_that_is_gone_does_not_count() {
        let state = state();
        let link = state.subscribe();
        state.masters([1].into_iter());
        both(&state, 1, true);
        state.masters([2].into_iter());
        assert_eq!(*link.borrow(), Link::Down);
        both(&state, 1, true);
        assert_eq!(*link.borrow(), Link::Down);
        both(&state, 2, true);
        assert_eq!(*link.borrow(), Link::Up);
        state.refuse("why".into());
        both(&state, 2, true);
        assert_eq!(*link.borrow(), Link::Refused("why".into()));
    }
}
