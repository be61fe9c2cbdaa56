//! Which channel belongs to which topic, and what becomes of a message that arrives on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::RwLock;

use super::commands::Commands;
use super::ends::Ends;
use super::entry;
use super::metrics::Trouble;
use super::outlet::Outlet;
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

#[derive(Debug)]
pub(super) struct Routes {
    attached: RwLock<HashMap<Box<str>, Route>>,
    started: Instant,
    /// Milliseconds after `started` when something was last heard.
    heard: AtomicU64,
    pub(super) outlet: Outlet,
    pub(super) ends: Arc<Ends>,
    /// What all nodes are told comes on this channel.
    pub(super) control: String,
    commands: Arc<Commands>,
}

impl Routes {
    pub(super) fn new(outlet: Outlet, ends: Arc<Ends>, control: String, commands: Arc<Commands>) -> Self {
        Self {
            attached: RwLock::default(),
            started: Instant::now(),
            heard: AtomicU64::new(0),
            outlet,
            ends,
            control,
            commands,
        }
    }

    /// Whether it was not there before.
    pub(super) fn insert(&self, channel: &str, route: Route) -> bool {
        if route.state {
            self.ends.watch(&route.topic);
        }
        self.attached.write().insert(channel.into(), route).is_none()
    }

    /// Whether it was there.
    pub(super) fn remove(&self, channel: &str) -> bool {
        let removed = self.attached.write().remove(channel);
        if let Some(route) = &removed {
            self.ends.forget(&route.topic);
        }
        removed.is_some()
    }

    pub(super) fn contains(&self, channel: &str) -> bool {
        self.attached.read().contains_key(channel)
    }

    /// All channels, and whether each is a bare one.
    pub(super) fn channels(&self) -> Vec<(Box<str>, bool)> {
        let attached = self.attached.read();
        attached
            .iter()
            .map(|(channel, route)| (channel.clone(), route.bare.is_some()))
            .collect()
    }

    /// How long nothing was heard.
    pub(super) fn silence(&self) -> Duration {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(heard)
    }

    pub(super) fn hear(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Relaxed);
    }

    /// Passes a message on. A channel that is no longer attached is no one's.
    pub(super) fn deliver(&self, channel: &str, message: Option<Bytes>) {
        self.hear();
        if channel == self.control {
            let message = message.unwrap_or_default();
            self.outlet.send(BrokerEvent::Control(message));
            return;
        }
        let Some(route) = self.attached.read().get(channel).cloned() else {
            return;
        };
        let publication = match (route.bare, message) {
            (_, None) => None,
            (None, Some(bytes)) => entry::decode_with_end(&route.topic, &bytes).map(|(publication, end)| {
                if let Some(end) = end {
                    self.ends.note(&route.topic, end);
                }
                publication
            }),
            (Some(limit), Some(bytes)) => self.bare(&route.topic, limit, &bytes),
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
        })
    }
}
