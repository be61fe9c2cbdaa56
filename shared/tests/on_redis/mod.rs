//! A real Redis and nodes on it, and what only a real Redis can do.

mod figures;
pub(crate) mod limits;
mod outage;
mod proxy;
mod refused;
mod rubbish;
mod tls;
mod waking;

use std::time::Duration;

use prometheus::Registry;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{BrokerEvent, BrokerEvents, Link};
use tidegate_shared::config;
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::redis::{self, RedisMetrics};
use tidegate_shared::testing::{RedisServer, Reply};
use tokio_util::sync::CancellationToken;

use crate::contract;

/// A backend that may not be connected yet.
pub(crate) fn open(url: String, registry: &Registry) -> Backend {
    open_with_prefix(url, "tg", registry)
}

/// The same, with keys of its own.
pub(crate) fn open_with_prefix(url: String, prefix: &str, registry: &Registry) -> Backend {
    let config = config::Redis {
        url,
        prefix: prefix.into(),
        ..config::Config::default().redis
    };
    let metrics = RedisMetrics::register(registry).expect("metrics");
    let shutdown = CancellationToken::new();
    redis::open(&config, &contract::namespaces(), &metrics, shutdown).expect("a valid URL")
}

/// A backend whose link is up.
pub(crate) async fn node(server: &RedisServer) -> Backend {
    let node = open(server.url(), &Registry::new());
    until(&node, |link| *link == Link::Up).await;
    node
}

async fn start() -> RedisServer {
    RedisServer::start().await.expect("redis-server")
}

/// Waits for a state of the link.
pub(crate) async fn until(node: &Backend, wanted: impl Fn(&Link) -> bool) -> Link {
    let mut link = node.broker.link();
    let waiting = link.wait_for(|link| wanted(link));
    let Ok(reached) = tokio::time::timeout(PATIENCE, waiting).await else {
        panic!("the link is still {}", *node.broker.link().borrow());
    };
    reached.expect("the backend is there").clone()
}

/// For what takes seconds by design: noticing that nothing answers.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The next event, of which some may come late.
pub(crate) async fn next(events: &mut BrokerEvents) -> BrokerEvent {
    let mut batch = Vec::new();
    let waiting = events.next_batch(&mut batch, 1);
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("nothing happened");
    batch.pop().expect("the events ended")
}

/// Skips events until one is wanted.
pub(crate) async fn skip_to<T>(events: &mut BrokerEvents, wanted: impl Fn(BrokerEvent) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(next(events).await) {
            return found;
        }
    }
}

pub(crate) fn publication(event: BrokerEvent) -> Option<std::sync::Arc<Publication>> {
    match event {
        BrokerEvent::Publication(publication) => Some(publication),
        _ => None,
    }
}

pub(crate) fn data(publication: &Publication) -> String {
    match &publication.body {
        Body::Message { data, .. } => data.as_str().to_owned(),
        other => panic!("no message: {other:?}"),
    }
}

/// One raw command that must not fail.
pub(crate) async fn raw(server: &RedisServer, arguments: &[&str]) -> Reply {
    let reply = server.command(arguments).await.expect("an answer");
    assert!(!matches!(reply, Reply::Error(_)), "{arguments:?}: {reply}");
    reply
}

/// The value of `tidegate_redis_errors_total` for one kind.
fn errors(registry: &Registry, kind: &str) -> f64 {
    registry
        .gather()
        .iter()
        .filter(|family| family.name() == "tidegate_redis_errors_total")
        .flat_map(|family| family.get_metric().to_vec())
        .filter(|metric| metric.get_label().iter().any(|label| label.value() == kind))
        .map(|metric| metric.get_counter().get_value())
        .sum()
}
