use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::broker::{Broker, BrokerError, BrokerEvents, Draft, From, Link, Page, Published};
use crate::embedded::Store;
use crate::embedded::topics::NodeNumber;
use crate::topic::Topic;

/// One broker on a store: what it has attached is its own.
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
