//! A backend that takes its time: what waits, and what goes on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{Broker, BrokerError, BrokerEvents, Draft, From, Link, Page, Published};
use tidegate_shared::embedded::Store;
use tidegate_shared::position::Position;
use tidegate_shared::topic::Topic;
use tokio::sync::{Semaphore, watch};

use super::harness::{Client, TestNode, config, start_on};
use crate::session::COMMANDS;

/// Publishes to topics that begin with `slow` only as often as it is told to.
struct Gated {
    inner: Arc<dyn Broker>,
    gate: Semaphore,
}

#[async_trait]
impl Broker for Gated {
    async fn publish(&self, topic: &Topic, draft: Draft) -> Result<Published, BrokerError> {
        if topic.as_str().starts_with("slow") {
            self.gate.acquire().await.expect("never closed").forget();
        }
        self.inner.publish(topic, draft).await
    }

    async fn read(&self, topic: &Topic, from: From, limit: usize) -> Result<Page, BrokerError> {
        self.inner.read(topic, from, limit).await
    }

    async fn tops(&self, topics: &[Topic]) -> Result<Vec<Option<Position>>, BrokerError> {
        self.inner.tops(topics).await
    }

    async fn attach(&self, topic: &Topic) -> Result<(), BrokerError> {
        self.inner.attach(topic).await
    }

    async fn detach(&self, topic: &Topic) -> Result<(), BrokerError> {
        self.inner.detach(topic).await
    }

    fn events(&self) -> Option<BrokerEvents> {
        self.inner.events()
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.inner.link()
    }
}

fn gated() -> (TestNode, Arc<Gated>) {
    let config = config(|_| {});
    let backend = Store::new(config.namespaces.clone()).open();
    let broker = Arc::new(Gated {
        inner: backend.broker.clone(),
        gate: Semaphore::new(0),
    });
    let backend = Backend {
        broker: broker.clone(),
        ..backend
    };
    (start_on(&config, backend), broker)
}

/// Nothing comes although everything that can happen has happened: the paused clock only moves on when
/// all tasks wait.
async fn assert_silent(client: &mut Client) {
    let silence = tokio::time::timeout(Duration::from_secs(2), client.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_command_holds_up_its_topic_and_nothing_else() {
    let (node, broker) = gated();
    let mut client = node.client().await;
    client
        .send(json!({"id": 1, "action": "publish", "topic": "slow", "data": 1}))
        .await;
    client
        .send(json!({"id": 2, "action": "history", "topic": "slow"}))
        .await;
    client
        .ask(json!({"id": 3, "action": "publish", "topic": "quick", "data": 1}))
        .await;
    client.ask(json!({"id": 4, "action": "ping"})).await;
    assert_silent(&mut client).await;
    broker.gate.add_permits(1);
    assert_eq!(client.next().await["type"], "published");
    let history = client.next().await;
    assert_eq!((&history["id"], &history["offset"]), (&json!(2), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_client_with_too_much_under_way_is_not_read_until_something_is_done() {
    let (node, broker) = gated();
    let mut client = node.client().await;
    for number in 0..COMMANDS {
        let topic = format!("slow:{number}");
        client
            .send(json!({"id": number, "action": "publish", "topic": topic, "data": 1}))
            .await;
    }
    client.send(json!({"id": "ping", "action": "ping"})).await;
    assert_silent(&mut client).await;
    broker.gate.add_permits(1);
    assert_eq!(client.next().await["type"], "published");
    assert_eq!(client.next().await["id"], "ping");
    broker.gate.add_permits(usize::from(COMMANDS));
    for _ in 1..COMMANDS {
        assert_eq!(client.next().await["type"], "published");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_gives_up_what_it_has_under_way() {
    let (node, broker) = gated();
    let mut client = node.client().await;
    client
        .send(json!({"action": "publish", "topic": "slow", "data": 1}))
        .await;
    client.ask(json!({"id": 1, "action": "ping"})).await;
    drop(client);
    node.node.emptied().await;
    broker.gate.add_permits(1);
    assert_eq!(broker.gate.available_permits(), 1, "nobody waits for it any more");
}
