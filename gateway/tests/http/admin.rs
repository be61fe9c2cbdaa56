//! The admin port.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_gateway::{Options, RunError};
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{Broker, BrokerError, BrokerEvents, Draft, From, Link, Page, Published};
use tidegate_shared::position::Position;
use tidegate_shared::topic::Topic;
use tokio::sync::watch;

use crate::node::{Node, config};
use crate::wire::{DEADLINE, get};

/// Every gateway metric that is promised to operators, without the prefix.
const PROMISED: [&str; 21] = [
    "connections",
    "connections_limit",
    "draining",
    "connections_accepted_total",
    "connections_rejected_total",
    "connections_closed_total",
    "connection_duration_seconds",
    "handshake_duration_seconds",
    "subscriptions",
    "topics",
    "outbox_bytes",
    "commands_total",
    "messages_sent_total",
    "sent_bytes_total",
    "received_bytes_total",
    "messages_dropped_total",
    "delivery_latency_seconds",
    "recoveries_total",
    "gaps_total",
    "runtime_lag_seconds",
    "build_info",
];

#[tokio::test]
async fn every_promised_metric_is_there_from_the_start() {
    let node = Node::start();
    let answer = get(node.admin, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].starts_with("text/plain; version=0.0.4"));
    let text = answer.text();
    let missing: Vec<_> = PROMISED
        .iter()
        .filter(|name| {
            let name = format!("tidegate_{name}");
            // A sample, not only its description.
            !text.lines().any(|line| {
                ["", "_bucket"].iter().any(|suffix| {
                    line.strip_prefix(&format!("{name}{suffix}"))
                        .is_some_and(|rest| rest.starts_with([' ', '{']))
                })
            })
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?} are missing in\n{text}");
}

#[tokio::test]
async fn the_limit_of_connections_is_told() {
    let mut config = config();
    config.limits.connections = 7;
    let node = Node::start_with(config, Options::default());
    let text = get(node.admin, "/metrics").await.text();
    assert!(text.contains("\ntidegate_connections_limit 7\n"), "{text}");
}

#[tokio::test]
async fn probes_and_metrics_are_on_the_admin_port_only() {
    let node = Node::start();
    for path in ["/livez", "/readyz", "/startupz", "/metrics"] {
        assert_eq!(get(node.admin, path).await.status, 200, "{path}");
        assert_eq!(get(node.client, path).await.status, 404, "{path}");
    }
    assert_eq!(get(node.admin, "/api/openapi.json").await.status, 404);
    assert_eq!(get(node.admin, "/").await.status, 404);
}

/// A backend whose link a test moves by hand.
struct Linked {
    inner: Arc<dyn Broker>,
    link: watch::Receiver<Link>,
}

#[async_trait]
impl Broker for Linked {
    async fn publish(&self, topic: &Topic, draft: Draft) -> Result<Published, BrokerError> {
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
        self.link.clone()
    }
}

/// A node on a backend that is not reached until the sender says so.
fn start_unreached() -> (Node, watch::Sender<Link>) {
    let config = config();
    let inner = tidegate_shared::embedded::Store::new(config.namespaces.clone()).open();
    let (sender, link) = watch::channel(Link::Connecting);
    let backend = Backend {
        broker: Arc::new(Linked {
            inner: inner.broker.clone(),
            link,
        }),
        ..inner
    };
    (Node::start_on(backend, config, Options::default()), sender)
}

/// Waits until the probe answers so, and gives its text.
async fn becomes(node: &Node, path: &str, status: u16) -> String {
    let looking = async {
        loop {
            let answer = get(node.admin, path).await;
            if answer.status == status {
                return answer.text();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, looking)
        .await
        .unwrap_or_else(|_| panic!("{path} never became {status}"))
}

#[tokio::test]
async fn a_node_is_alive_before_redis_is_reached_but_neither_started_nor_ready() {
    let (node, link) = start_unreached();
    assert_eq!(get(node.admin, "/livez").await.status, 200);
    for path in ["/readyz", "/startupz"] {
        let answer = get(node.admin, path).await;
        assert_eq!(answer.status, 503);
        assert!(
            answer.text().contains("Redis has not been reached"),
            "{}",
            answer.text()
        );
    }
    link.send_replace(Link::Up);
    becomes(&node, "/startupz", 200).await;
    becomes(&node, "/readyz", 200).await;
    link.send_replace(Link::Down);
    assert_eq!(
        get(node.admin, "/readyz").await.status,
        200,
        "a short outage is no reason"
    );
}

#[tokio::test]
async fn a_redis_that_is_unfit_ends_the_node_with_the_reason() {
    let (node, link) = start_unreached();
    link.send_replace(Link::Refused("set maxmemory-policy to noeviction".into()));
    match node.ended().await {
        Err(RunError::Refused(why)) => assert_eq!(why, "set maxmemory-policy to noeviction"),
        other => panic!("{other:?}"),
    }
}
