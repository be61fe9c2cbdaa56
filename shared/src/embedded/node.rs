use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::broker::{Broker, BrokerError, BrokerEvents, Draft, From, Link, Page, Published, rule};
use crate::embedded::Store;
use crate::embedded::clock::millis;
use crate::embedded::everything::Everything;
use crate::embedded::state::State;
use crate::embedded::topics::NodeNumber;
use crate::name::{NodeId, SessionId};
use crate::nodes::{MESSAGE_LIMIT, NodeInfo, Nodes};
use crate::position::Position;
use crate::presence::{Member, NewMember, Presence};
use crate::topic::Topic;

/// One node on a store: what it has attached and who entered through it is its own.
pub(super) struct Node {
    store: Arc<Store>,
    number: NodeNumber,
    events: Mutex<Option<BrokerEvents>>,
    link: watch::Sender<Link>,
}

impl Node {
    pub(super) fn open(store: Arc<Store>) -> Self {
        let (sender, events) = BrokerEvents::channel();
        let number = store.step(|state, _| state.topics.open_node(sender));
        Self {
            store,
            number,
            events: Mutex::new(Some(events)),
            link: watch::Sender::new(Link::Up),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.store
            .step(|state, now| state.topics.close_node(self.number, now));
    }
}

#[async_trait]
impl Broker for Node {
    async fn publish(&self, topic: &Topic, draft: Draft) -> Result<Published, BrokerError> {
        self.store.step(|state, now| state.publish(topic, draft, now))
    }

    async fn read(&self, topic: &Topic, from: From, limit: usize) -> Result<Page, BrokerError> {
        self.store.step(|state, now| state.read(topic, from, limit, now))
    }

    async fn tops(&self, topics: &[Topic]) -> Result<Vec<Option<Position>>, BrokerError> {
        let tops = |state: &mut State, _| topics.iter().map(|topic| state.topics.top(topic)).collect();
        Ok(self.store.step(tops))
    }

    async fn attach(&self, topic: &Topic) -> Result<(), BrokerError> {
        self.store
            .step(|state, now| state.topics.attach(self.number, topic, now));
        Ok(())
    }

    async fn detach(&self, topic: &Topic) -> Result<(), BrokerError> {
        self.store
            .step(|state, now| state.topics.detach(self.number, topic, now));
        Ok(())
    }

    fn events(&self) -> Option<BrokerEvents> {
        self.events.lock().take()
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }
}

#[async_trait]
impl Presence for Node {
    async fn enter(&self, topic: &Topic, member: NewMember, ttl: Duration) -> Result<(), BrokerError> {
        self.store.step_on_all(|Everything { state, rooms, .. }, now| {
            let place = (topic, self.number);
            rooms.enter(&mut state.topics, place, member, end(ttl, now), now)
        })
    }

    async fn leave(&self, topic: &Topic, session: SessionId) -> Result<(), BrokerError> {
        self.store.step_on_all(|Everything { state, rooms, .. }, now| {
            rooms.leave(&mut state.topics, (topic, self.number), session, now);
        });
        Ok(())
    }

    async fn keep(&self, topics: &[Topic], ttl: Duration) -> Result<Vec<usize>, BrokerError> {
        let keep = |topic| {
            self.store.step_on_all(|Everything { state, rooms, .. }, now| {
                rooms.keep(&mut state.topics, (topic, self.number), end(ttl, now), now)
            })
        };
        Ok(topics.iter().map(keep).collect())
    }

    async fn members(&self, topic: &Topic) -> Result<Vec<Member>, BrokerError> {
        Ok(self.store.step_on_all(|all, now| all.rooms.members(topic, now)))
    }

    async fn count(&self, topic: &Topic) -> Result<usize, BrokerError> {
        Ok(self.store.step_on_all(|all, now| all.rooms.count(topic, now)))
    }
}

#[async_trait]
impl Nodes for Node {
    async fn tell(&self, message: Bytes) -> Result<usize, BrokerError> {
        if message.len() > MESSAGE_LIMIT {
            return Err(rule::too_long(message.len(), MESSAGE_LIMIT));
        }
        Ok(self.store.step(|state, _| state.topics.tell(&message)))
    }

    async fn announce(&self, node: &NodeInfo, ttl: Duration) -> Result<(), BrokerError> {
        self.store
            .step_on_all(|all, now| all.fleet.announce(node, end(ttl, now), now))
    }

    async fn withdraw(&self, node: &NodeId) -> Result<(), BrokerError> {
        self.store.step_on_all(|all, _| all.fleet.withdraw(node));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<NodeInfo>, BrokerError> {
        Ok(self.store.step_on_all(|all, now| all.fleet.list(now)))
    }
}

/// When something ends that lives from now on.
fn end(ttl: Duration, now: u64) -> u64 {
    now.saturating_add(millis(ttl))
}
