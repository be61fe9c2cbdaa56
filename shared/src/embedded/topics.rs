use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::broker::{BrokerError, BrokerEvent, Draft, From, Page, Published, READ_LIMIT};
use crate::embedded::channel::Channel;
use crate::embedded::clock::millis;
use crate::embedded::log::Log;
use crate::embedded::outlet::Outlet;
use crate::json::RawJson;
use crate::name::SessionId;
use crate::namespace::{Namespace, Namespaces, TopicKind};
use crate::position::Position;
use crate::publication::{Body, Place, Publication, Snapshot};
use crate::topic::Topic;
use crate::trace::TraceContext;

/// One broker on this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeNumber(u64);

/// All topics that anything is known of, and the brokers that listen. Whoever publishes here has made
/// sure that it may be.
#[derive(Debug)]
pub(super) struct Topics {
    namespaces: Namespaces,
    channels: HashMap<Topic, Channel>,
    /// When channels are to be looked at; each is here once, or not at all while nothing in it expires.
    schedule: BTreeSet<(u64, Topic)>,
    nodes: HashMap<NodeNumber, Listener>,
    last_node: u64,
}

#[derive(Debug)]
struct Listener {
    outlet: Outlet,
    attached: HashSet<Topic>,
}

/// What goes with a publication besides its body.
#[derive(Debug, Clone, Copy, Default)]
struct Aside {
    exclude: Option<SessionId>,
    trace: Option<TraceContext>,
}

impl Topics {
    pub(super) fn new(namespaces: Namespaces) -> Self {
        Self {
            namespaces,
            channels: HashMap::new(),
            schedule: BTreeSet::new(),
            nodes: HashMap::new(),
            last_node: 0,
        }
    }

    pub(super) fn namespace(&self, topic: &Topic) -> Arc<Namespace> {
        Arc::clone(self.namespaces.of(topic))
    }

    pub(super) fn open_node(&mut self, sender: mpsc::Sender<BrokerEvent>) -> NodeNumber {
        self.last_node += 1;
        let number = NodeNumber(self.last_node);
        let listener = Listener {
            outlet: Outlet::new(sender),
            attached: HashSet::new(),
        };
        self.nodes.insert(number, listener);
        number
    }

    pub(super) fn close_node(&mut self, number: NodeNumber, now: u64) {
        let Some(listener) = self.nodes.remove(&number) else {
            return;
        };
        for topic in listener.attached {
            self.unlisten(number, &topic, now);
        }
    }

    pub(super) fn attach(&mut self, number: NodeNumber, topic: &Topic, now: u64) {
        let Some(listener) = self.nodes.get_mut(&number) else {
            return;
        };
        if listener.attached.insert(topic.clone()) {
            let channel = self.channels.entry(topic.clone()).or_default();
            channel.listeners.push(number);
            self.settle(topic, now);
        }
    }

    pub(super) fn detach(&mut self, number: NodeNumber, topic: &Topic, now: u64) {
        let was_attached = self
            .nodes
            .get_mut(&number)
            .is_some_and(|listener| listener.attached.remove(topic));
        if was_attached {
            self.unlisten(number, topic, now);
        }
    }

    fn unlisten(&mut self, number: NodeNumber, topic: &Topic, now: u64) {
        let namespace = self.namespace(topic);
        if let Some(channel) = self.channels.get_mut(topic) {
            channel.listeners.retain(|listener| *listener != number);
            if let Some(log) = &mut channel.log {
                log.touch(&namespace, now);
            }
        }
        self.settle(topic, now);
    }

    pub(super) fn publish(
        &mut self,
        topic: &Topic,
        draft: Draft,
        now: u64,
    ) -> Result<Published, BrokerError> {
        self.expire_keys(topic, now);
        let channel = self.channels.entry(topic.clone()).or_default();
        channel.expire(now);
        if let Some(key) = &draft.key
            && let Some(first) = channel.keys.get(key)
        {
            return Ok(first);
        }
        let key = draft.key.clone();
        let published = self.change(topic, draft, now);
        if let (Ok(published), Some(key)) = (&published, key)
            && let Some(channel) = self.channels.get_mut(topic)
        {
            channel.keys.insert(key, *published, now);
        }
        self.settle(topic, now);
        published
    }

    /// Changes the map, if that is what the draft does, and appends.
    fn change(&mut self, topic: &Topic, draft: Draft, now: u64) -> Result<Published, BrokerError> {
        let namespace = self.namespace(topic);
        let channel = self.channels.entry(topic.clone()).or_default();
        match &draft.body {
            Body::Set { key, value } => {
                let ttl = draft.ttl.unwrap_or(namespace.key_ttl);
                let until = (!ttl.is_zero()).then(|| now.saturating_add(millis(ttl).max(1)));
                channel.map.check(key, value, topic, &namespace)?;
                channel.map.set(key, value, until);
            }
            Body::Remove { key, .. } if !channel.map.remove(key) => {
                let log = channel.log.get_or_insert_with(Log::new);
                log.touch(&namespace, now);
                return Ok(Published {
                    position: Some(log.top()),
                    duplicate: false,
                    changed: false,
                });
            }
            _ => {}
        }
        let (body, aside) = match (namespace.kind, draft.body) {
            // Only the data travels on a bare topic.
            (TopicKind::Bare, Body::Message { data, .. }) => {
                (Body::Message { data, event: None }, Aside::default())
            }
            (_, body) => (
                body,
                Aside {
                    exclude: draft.exclude,
                    trace: draft.trace,
                },
            ),
        };
        Ok(Published {
            position: self.append(topic, &namespace, body, aside, now),
            duplicate: false,
            changed: true,
        })
    }

    /// Takes the keys whose time is over off the topic's map, and says so in its log.
    fn expire_keys(&mut self, topic: &Topic, now: u64) {
        let mut namespace = None;
        while let Some(key) = self
            .channels
            .get_mut(topic)
            .and_then(|channel| channel.map.pop_ended(now))
        {
            let namespace = namespace.get_or_insert_with(|| Arc::clone(self.namespaces.of(topic)));
            let body = Body::Remove { key, expired: true };
            let namespace = Arc::clone(namespace);
            self.append(topic, &namespace, body, Aside::default(), now);
        }
    }

    /// Publishes something that belongs in no log. Bare topics carry data only, so not there.
    pub(super) fn mention(&mut self, topic: &Topic, body: Body, now: u64) {
        if self.namespaces.of(topic).kind == TopicKind::Bare {
            return;
        }
        self.hand_on(&Arc::new(Publication {
            topic: topic.clone(),
            place: None,
            time_ms: now,
            body,
            exclude: None,
            trace: None,
        }));
    }

    /// Tells all brokers. Gives their number.
    pub(super) fn tell(&mut self, message: &Bytes) -> usize {
        for listener in self.nodes.values_mut() {
            listener.outlet.event(BrokerEvent::Control(message.clone()));
        }
        self.nodes.len()
    }

    /// Appends a job's record to one of the two logs it belongs in.
    pub(super) fn append_record(&mut self, topic: &Topic, record: RawJson, now: u64) -> Option<Position> {
        self.append_of_job(topic, Body::Job { record }, now)
    }

    /// Appends to the topic of a job or queue.
    pub(super) fn append_of_job(&mut self, topic: &Topic, body: Body, now: u64) -> Option<Position> {
        let namespace = self.namespace(topic);
        let trace = match &body {
            Body::Job { record } => TraceContext::of_record(record),
            _ => None,
        };
        let position = self.append(topic, &namespace, body, Aside { trace, exclude: None }, now);
        self.settle(topic, now);
        position
    }

    fn append(
        &mut self,
        topic: &Topic,
        namespace: &Namespace,
        body: Body,
        aside: Aside,
        now: u64,
    ) -> Option<Position> {
        let channel = self.channels.entry(topic.clone()).or_default();
        let log = namespace
            .has_log()
            .then(|| channel.log.get_or_insert_with(Log::new));
        let place: Option<Place> = log.as_ref().map(|log| log.next_place());
        let publication = Arc::new(Publication {
            topic: topic.clone(),
            place,
            time_ms: now,
            body,
            exclude: aside.exclude,
            trace: aside.trace,
        });
        if let (Some(log), Some(place)) = (log, place) {
            log.append(place, Arc::clone(&publication), namespace, now);
        }
        self.hand_on(&publication);
        place.map(|place| place.position)
    }

    fn hand_on(&mut self, publication: &Arc<Publication>) {
        let Some(channel) = self.channels.get(&publication.topic) else {
            return;
        };
        for number in &channel.listeners {
            if let Some(listener) = self.nodes.get_mut(number) {
                listener.outlet.send(publication);
            }
        }
    }

    /// A page without the snapshot that a job's topic has.
    pub(super) fn read(&mut self, topic: &Topic, from: From, limit: usize, now: u64) -> Page {
        let namespace = self.namespace(topic);
        let mut page = Page {
            top: None,
            publications: Vec::new(),
            lost: None,
            snapshot: None,
        };
        if !namespace.has_log() {
            return page;
        }
        self.expire_keys(topic, now);
        let channel = self.channels.entry(topic.clone()).or_default();
        channel.expire(now);
        let log = channel.log.get_or_insert_with(Log::new);
        log.touch(&namespace, now);
        page.top = Some(log.top());
        match log.read(from, limit.min(READ_LIMIT)) {
            Ok(publications) => page.publications = publications,
            Err(lost) => page.lost = Some(lost),
        }
        if namespace.kind == TopicKind::State && (from == From::Now || page.lost.is_some()) {
            page.snapshot = Some(Snapshot::State(channel.map.snapshot()));
        }
        self.settle(topic, now);
        page
    }

    /// Where the topic's log ends, if it has begun.
    pub(super) fn top(&self, topic: &Topic) -> Option<Position> {
        let log = self.channels.get(topic)?.log.as_ref()?;
        Some(log.top())
    }

    /// Keeps a job's topic for as long as the job is there.
    pub(super) fn hold(&mut self, topic: &Topic) {
        let channel = self.channels.entry(topic.clone()).or_default();
        channel.held = true;
    }

    /// Forgets a held topic at once, but for who listens to it.
    pub(super) fn drop_held(&mut self, topic: &Topic, now: u64) {
        if let Some(channel) = self.channels.get_mut(topic) {
            channel.held = false;
            channel.log = None;
        }
        self.settle(topic, now);
    }

    /// To be called after each change of a channel: forgets it if nothing is left of it, or sees to it
    /// that it is looked at in time.
    fn settle(&mut self, topic: &Topic, now: u64) {
        self.expire_keys(topic, now);
        let Some(channel) = self.channels.get_mut(topic) else {
            return;
        };
        channel.expire(now);
        let (scheduled, due) = (channel.scheduled, channel.due());
        let over = due <= now;
        // What is due later than scheduled is found out when it is looked at.
        let sooner = !over && due < scheduled.unwrap_or(u64::MAX);
        if !over && !sooner {
            return;
        }
        channel.scheduled = Some(due);
        if let Some(time) = scheduled {
            self.schedule.remove(&(time, topic.clone()));
        }
        if over {
            self.channels.remove(topic);
        } else {
            self.schedule.insert((due, topic.clone()));
        }
    }

    /// When a channel is to be looked at next.
    pub(super) fn due(&self) -> u64 {
        self.schedule.first().map_or(u64::MAX, |(due, _)| *due)
    }

    /// Looks at up to `limit` channels that are due.
    pub(super) fn sweep(&mut self, now: u64, limit: usize) {
        for _ in 0..limit {
            if self.schedule.first().is_none_or(|(due, _)| *due > now) {
                return;
            }
            let Some((_, topic)) = self.schedule.pop_first() else {
                return;
            };
            if let Some(channel) = self.channels.get_mut(&topic) {
                channel.scheduled = None;
            }
            self.settle(&topic, now);
        }
    }

    /// How many topics anything is known of.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        assert!(
            self.schedule.len() <= self.channels.len(),
            "a topic is scheduled twice"
        );
        self.channels.len()
    }
}
