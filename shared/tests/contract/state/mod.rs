//! What [`Broker`](tidegate_shared::broker::Broker) promises of state topics.

pub(crate) mod changing;
pub(crate) mod ending;
pub(crate) mod limits;
pub(crate) mod snapshots;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{BrokerError, Draft, From, Page, Published};
use tidegate_shared::name::StateKey;
use tidegate_shared::position::Position;
use tidegate_shared::publication::{Body, Publication, Snapshot};
use tidegate_shared::topic::Topic;

use super::broker::{json, read, send};

/// Keys and values, as text.
pub(crate) type Map = BTreeMap<String, String>;

pub(crate) fn key(text: &str) -> StateKey {
    StateKey::parse(text).expect("a key")
}

pub(crate) fn set_draft(key_text: &str, value: &str, ttl: Option<Duration>) -> Draft {
    let body = Body::Set {
        key: key(key_text),
        value: json(value),
    };
    Draft {
        ttl,
        ..Draft::new(body)
    }
}

pub(crate) fn remove_draft(key_text: &str) -> Draft {
    Draft::new(Body::Remove {
        key: key(key_text),
        expired: false,
    })
}

pub(crate) async fn set(node: &Backend, topic: &Topic, key: &str, value: &str) -> Position {
    let published = send(node, topic, set_draft(key, value, None)).await;
    assert!(published.changed && !published.duplicate);
    published.position.expect("a state topic has a log")
}

pub(crate) async fn set_for(node: &Backend, topic: &Topic, key: &str, ttl: Duration) {
    send(node, topic, set_draft(key, "1", Some(ttl))).await;
}

pub(crate) async fn try_set(
    node: &Backend,
    topic: &Topic,
    key: &str,
    value: &str,
) -> Result<Published, BrokerError> {
    node.broker.publish(topic, set_draft(key, value, None)).await
}

pub(crate) async fn remove(node: &Backend, topic: &Topic, key: &str) -> Published {
    send(node, topic, remove_draft(key)).await
}

pub(crate) fn map_of(page: &Page) -> Map {
    let Some(Snapshot::State(map)) = &page.snapshot else {
        panic!("no map: {:?}", page.snapshot);
    };
    let keys: Vec<&StateKey> = map.iter().map(|(key, _)| key).collect();
    assert!(keys.is_sorted_by(|one, next| one < next), "sorted, each key once");
    map.iter()
        .map(|(key, value)| (key.to_string(), value.as_str().to_owned()))
        .collect()
}

/// The map and the position it is of.
pub(crate) async fn snapshot(node: &Backend, topic: &Topic) -> (Position, Map) {
    let page = read(node, topic, From::Now).await;
    (page.top.expect("a log"), map_of(&page))
}

/// Applies what changes a map.
pub(crate) fn fold(map: &mut Map, publication: &Publication) {
    match &publication.body {
        Body::Set { key, value } => {
            map.insert(key.to_string(), value.as_str().to_owned());
        }
        Body::Remove { key, .. } => {
            let was_there = map.remove(key.as_str()).is_some();
            assert!(was_there, "{key} is removed once");
        }
        _ => {}
    }
}

pub(crate) fn fold_all(map: &mut Map, publications: &[Arc<Publication>]) {
    for publication in publications {
        fold(map, publication);
    }
}

/// The keys whose end by time these publications tell.
pub(crate) fn ended(publications: &[Arc<Publication>]) -> Vec<String> {
    publications
        .iter()
        .filter_map(|one| match &one.body {
            Body::Remove { key, expired: true } => Some(key.to_string()),
            _ => None,
        })
        .collect()
}
