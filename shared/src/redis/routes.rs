//! Which channel belongs to which topic and is heard from which master, and what becomes of a message that
//! arrives on it. What another master than that says is not listened to: so nothing is heard twice, or out
//! of order, when a slot has moved.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::answers::Answers;
use super::commands::Commands;
use super::ends::Ends;
use super::entry;
use super::keys::Keys;
use super::layout::Layout;
use super::metrics::Trouble;
use super::outlet::Outlet;
use super::slots::slot_of;
use crate::broker::BrokerEvent;
use crate::json::RawJson;
use crate::publication::{Body, Publication};
use crate::topic::Topic;

/// Where the messages of one channel go.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) topic: Topic,
    /// A literal channel: anybody publishes there, in any form, up to this size.
    pub(super) bare: Option<usize>,
    /// A topic with a map, whose keys may end.
    pub(super) state: bool,
}

#[derive(Debug, Clone)]
enum Target {
    /// What all nodes are told.
    Control,
    /// What this node alone is told about calls.
    Answers,
    Topic(Route),
}

#[derive(Debug, Clone)]
struct Attached {
    target: Target,
    slot: u16,
    /// The master that it is heard from, or was.
    master: u64,
}

impl Attached {
    fn is_bare(&self) -> bool {
        matches!(&self.target, Target::Topic(route) if route.bare.is_some())
    }
}

/// No master has this number.
const NOBODY: u64 = 0;

/// What there is to do about a channel that somebody wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    New,
    /// It is heard from another master, which does not serve it any more.
    Elsewhere,
    Here,
}

#[derive(Debug)]
pub(super) struct Routes {
    attached: RwLock<HashMap<Box<str>, Attached>>,
    /// The masters that something can be heard from.
    hearing: Mutex<HashSet<u64>>,
    pub(super) outlet: Outlet,
    pub(super) ends: Arc<Ends>,
    answers: Arc<Answers>,
    commands: Arc<Commands>,
}

impl Routes {
    /// `node`: what picks the channel on which answers to its calls are heard.
    pub(super) fn new(
        outlet: Outlet,
        ends: Arc<Ends>,
        (keys, node, answers): (&Keys, &str, Arc<Answers>),
        commands: Arc<Commands>,
    ) -> Self {
        let fixed = |target, tag| Attached {
            target,
            slot: slot_of(tag),
            master: NOBODY,
        };
        let (tag, channel) = keys.answers(node);
        let attached = HashMap::from([
            (keys.control().into(), fixed(Target::Control, Keys::NODES)),
            (channel.into(), fixed(Target::Answers, &tag)),
        ]);
        Self {
            attached: RwLock::new(attached),
            answers,
            hearing: Mutex::default(),
            outlet,
            ends,
            commands,
        }
    }

    /// The channel is to be heard from this master.
    pub(super) fn insert(&self, channel: &str, route: Route, slot: u16, master: u64) -> Known {
        let mut all = self.attached.write();
        if let Some(attached) = all.get_mut(channel) {
            if attached.master == master {
                return Known::Here;
            }
            attached.master = master;
            return Known::Elsewhere;
        }
        if route.state {
            self.ends.watch(&route.topic);
        }
        let target = Target::Topic(route);
        all.insert(channel.into(), Attached { target, slot, master });
        Known::New
    }

    /// Whether it was there.
    pub(super) fn remove(&self, channel: &str) -> bool {
        self.remove_if(channel, |_| true)
    }

    /// Takes it off if it is still this master that it is to be heard from.
    pub(super) fn give_up(&self, channel: &str, master: u64) {
        self.remove_if(channel, |attached| attached.master == master);
    }

    fn remove_if(&self, channel: &str, really: impl FnOnce(&Attached) -> bool) -> bool {
        let mut all = self.attached.write();
        let Some(attached) = all.get(channel).filter(|one| really(one)) else {
            return false;
        };
        if let Target::Topic(route) = &attached.target {
            self.ends.forget(&route.topic);
        }
        all.remove(channel).is_some()
    }

    pub(super) fn contains(&self, channel: &str) -> bool {
        self.attached.read().contains_key(channel)
    }

    /// Which master a channel is heard from.
    pub(super) fn master(&self, channel: &str) -> Option<u64> {
        self.attached.read().get(channel).map(|attached| attached.master)
    }

    /// From now on the channel is heard from this master. Whether it is a bare one; nothing if it is not
    /// attached any more.
    pub(super) fn claim(&self, channel: &str, master: u64) -> Option<bool> {
        let mut all = self.attached.write();
        let attached = all.get_mut(channel)?;
        attached.master = master;
        Some(attached.is_bare())
    }

    /// This master does not serve the channel after all.
    pub(super) fn disown(&self, channel: &str, master: u64) {
        if let Some(attached) = self.attached.write().get_mut(channel)
            && attached.master == master
        {
            attached.master = NOBODY;
        }
    }

    /// The channels that are to be heard from a master: all of them, or those that it did not have yet. A
    /// bare channel is everywhere, and stays where it is while that is there.
    pub(super) fn of(&self, master: u64, layout: &Layout, all: bool) -> Vec<Box<str>> {
        let attached = self.attached.read();
        let wanted = attached.iter().filter(|(_, one)| {
            let here = one.master == master;
            let serves = || layout.of(one.slot).is_some_and(|owner| owner.id == master);
            if one.is_bare() && layout.with_id(one.master).is_some() {
                here && all
            } else {
                (all || !here) && serves()
            }
        });
        wanted.map(|(channel, _)| channel.clone()).collect()
    }

    /// The topic of a channel.
    pub(super) fn topic(&self, channel: &str) -> Option<Topic> {
        match &self.attached.read().get(channel)?.target {
            Target::Control | Target::Answers => None,
            Target::Topic(route) => Some(route.topic.clone()),
        }
    }

    /// Everything that this master serves is heard from it.
    pub(super) fn begin(&self, master: u64) {
        self.ends.suspect(None);
        let mut hearing = self.hearing.lock();
        let first = hearing.is_empty();
        hearing.insert(master);
        let heard = |one: &Attached| one.master == master && matches!(one.target, Target::Topic(_));
        if first {
            self.outlet.send(BrokerEvent::Up);
        } else if self.attached.read().values().any(heard) {
            self.outlet.send(BrokerEvent::Gap { topic: None });
        }
    }

    /// Nothing is heard from this master.
    pub(super) fn end(&self, master: u64) {
        let mut hearing = self.hearing.lock();
        if hearing.remove(&master) && hearing.is_empty() {
            self.outlet.send(BrokerEvent::Down);
        }
    }

    /// Passes on what a master said. A channel that is not attached, or not to this one, is no one's.
    pub(super) fn deliver(&self, master: u64, channel: &str, message: Bytes) {
        let target = match self.attached.read().get(channel) {
            Some(attached) if attached.master == master => attached.target.clone(),
            _ => return,
        };
        let route = match target {
            Target::Topic(route) => route,
            Target::Answers => {
                self.answers.hear(&message);
                return;
            }
            Target::Control => {
                self.outlet.send(BrokerEvent::Control(message));
                return;
            }
        };
        let publication = match route.bare {
            None => entry::decode_with_end(&route.topic, &message).map(|(publication, end)| {
                if let Some(end) = end {
                    self.ends.note(&route.topic, end);
                }
                publication
            }),
            Some(limit) => self.bare(&route.topic, limit, &message),
        };
        if let Some(publication) = publication {
            self.outlet.send(BrokerEvent::Publication(Arc::new(publication)));
            return;
        }
        self.commands.metrics.count(Trouble::Rubbish);
        if route.bare.is_none() {
            tracing::warn!(topic = %route.topic, "something was published to the topic's channel that is no entry");
            self.ends.suspect(Some(&route.topic));
            self.outlet.send(BrokerEvent::Gap {
                topic: Some(route.topic),
            });
        }
    }

    /// What is no JSON becomes a string; what is no UTF-8, or too large, nothing.
    fn bare(&self, topic: &Topic, limit: usize, bytes: &Bytes) -> Option<Publication> {
        if bytes.len() > limit {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let data = RawJson::parse(bytes).or_else(|_| RawJson::of(text)).ok()?;
        Some(Publication {
            topic: topic.clone(),
            place: None,
            time_ms: self.commands.now_ms(),
            body: Body::Message { data, event: None },
            exclude: None,
            trace: None,
        })
    }
}
