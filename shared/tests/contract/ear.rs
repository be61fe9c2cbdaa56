use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{BrokerEvent, BrokerEvents};
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;

use super::PATIENCE;
use super::broker::{attach, publish};

/// One topic for each third of a Cluster's slots.
const MARKERS: [&str; 3] = ["fire:end-b", "fire:end-a", "fire:end-d"];

/// What one node hears. A loss is an error here: nothing in these suites may cause one.
pub(crate) struct Ear {
    events: BrokerEvents,
    waiting: VecDeque<BrokerEvent>,
    told: VecDeque<Bytes>,
}

impl Ear {
    pub(crate) fn of(node: &Backend) -> Self {
        Self {
            events: node.broker.events().expect("asked for once"),
            waiting: VecDeque::new(),
            told: VecDeque::new(),
        }
    }

    /// The next publication.
    pub(crate) async fn next(&mut self) -> Arc<Publication> {
        loop {
            match self.waiting.pop_front() {
                Some(BrokerEvent::Publication(publication)) => return publication,
                // That of the start may come late.
                Some(BrokerEvent::Up) => {}
                Some(BrokerEvent::Control(message)) => self.told.push_back(message),
                Some(loss @ (BrokerEvent::Gap { .. } | BrokerEvent::Down)) => panic!("{loss:?}"),
                None => self.listen().await,
            }
        }
    }

    async fn listen(&mut self) {
        let mut batch = Vec::new();
        let waiting = self.events.next_batch(&mut batch, 1_000);
        let number = tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("nothing was heard");
        assert_ne!(number, 0, "the events ended");
        self.waiting.extend(batch);
    }

    /// What the nodes were told by a node, up to and with the message `last`. Publications that are heard
    /// meanwhile wait.
    pub(crate) async fn told_until(&mut self, last: &'static [u8]) -> Vec<Bytes> {
        loop {
            self.waiting.retain(|event| match event {
                BrokerEvent::Control(message) => {
                    self.told.push_back(message.clone());
                    false
                }
                _ => true,
            });
            if let Some(at) = self.told.iter().position(|message| message == last) {
                return self.told.drain(..=at).collect();
            }
            self.listen().await;
        }
    }

    pub(crate) async fn take(&mut self, number: usize) -> Vec<Arc<Publication>> {
        let mut heard = Vec::with_capacity(number);
        for already in 0..number {
            heard.push(
                tokio::time::timeout(PATIENCE, self.next())
                    .await
                    .unwrap_or_else(|_| panic!("heard {already} of {number}")),
            );
        }
        heard
    }

    /// Everything there is to be heard of what was published earlier: until a publication that is made now at each
    /// of the servers that share the topics is heard, since only what one server says comes in order.
    pub(crate) async fn all_until_now(&mut self, node: &Backend) -> Vec<Arc<Publication>> {
        let mut markers = MARKERS.map(|name| Topic::parse(name).expect("valid")).to_vec();
        for marker in &markers {
            attach(node, marker).await;
            publish(node, marker, "\"the end\"").await;
        }
        let mut heard = Vec::new();
        while !markers.is_empty() {
            let publication = self.next().await;
            match markers.iter().position(|marker| *marker == publication.topic) {
                Some(index) => {
                    let marker = markers.swap_remove(index);
                    node.broker.detach(&marker).await.expect("detached");
                }
                None => heard.push(publication),
            }
        }
        heard
    }
}
