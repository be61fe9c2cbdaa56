//! What [`Broker`](tidegate_shared::broker::Broker) promises.

pub(crate) mod attaching;
pub(crate) mod keys;
pub(crate) mod kinds;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod lost;
pub(crate) mod numbering;
pub(crate) mod reading;

use std::sync::Arc;

use bytes::Bytes;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{Draft, From, Page, Published};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::IdempotencyKey;
use tidegate_shared::position::{Offset, Position};
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::topic::Topic;

/// More than any log here but `long`'s.
pub(crate) const ALL: usize = 1_000;

pub(crate) fn topic(text: &str) -> Topic {
    Topic::parse(text).expect("a topic")
}

pub(crate) fn json(text: &str) -> RawJson {
    RawJson::parse(&Bytes::copy_from_slice(text.as_bytes())).expect("JSON")
}

pub(crate) fn draft(data: &str) -> Draft {
    Draft::new(Body::Message {
        data: json(data),
        event: None,
    })
}

pub(crate) fn keyed(data: &str, key: &str) -> Draft {
    Draft {
        key: Some(IdempotencyKey::parse(key).expect("a key")),
        ..draft(data)
    }
}

pub(crate) async fn send(node: &Backend, topic: &Topic, draft: Draft) -> Published {
    node.broker.publish(topic, draft).await.expect("published")
}

pub(crate) async fn publish(node: &Backend, topic: &Topic, data: &str) -> Published {
    send(node, topic, draft(data)).await
}

/// Publishes the numbers from 1 up and gives the position of each.
pub(crate) async fn publish_numbers(node: &Backend, topic: &Topic, number: u64) -> Vec<Position> {
    let mut positions = Vec::new();
    for data in 1..=number {
        let published = publish(node, topic, &data.to_string()).await;
        positions.push(published.position.expect("the topic has a log"));
    }
    positions
}

pub(crate) async fn attach(node: &Backend, topic: &Topic) {
    node.broker.attach(topic).await.expect("attached");
}

pub(crate) async fn read(node: &Backend, topic: &Topic, from: From) -> Page {
    read_some(node, topic, from, ALL).await
}

pub(crate) async fn read_some(node: &Backend, topic: &Topic, from: From, limit: usize) -> Page {
    node.broker.read(topic, from, limit).await.expect("read")
}

/// The position of a topic's top.
pub(crate) async fn top(node: &Backend, topic: &Topic) -> Position {
    read(node, topic, From::Now)
        .await
        .top
        .expect("the topic has a log")
}

pub(crate) fn offsets(publications: &[Arc<Publication>]) -> Vec<Offset> {
    publications.iter().map(|one| place(one).0.offset).collect()
}

/// The data of messages.
pub(crate) fn data(publications: &[Arc<Publication>]) -> Vec<String> {
    publications
        .iter()
        .map(|one| match &one.body {
            Body::Message { data, .. } => data.as_str().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn place(publication: &Publication) -> (Position, bool) {
    let place = publication.place.expect("the topic has a log");
    (place.position, place.previous.as_str().is_empty())
}

/// Checks that each publication is the very next one after the one before it, beginning after `start`.
pub(crate) fn assert_contiguous(start: Position, publications: &[Arc<Publication>]) {
    let mut before = start;
    for publication in publications {
        let place = publication.place.expect("the topic has a log");
        assert!(place.follows(&before), "{place:?} does not follow {before:?}");
        before = place.position;
    }
}
