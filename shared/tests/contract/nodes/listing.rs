//! Which nodes there are.

use std::time::Duration;

use tidegate_shared::backend::Backend;
use tidegate_shared::name::NodeId;
use tidegate_shared::nodes::{NODE_TTL, NodeInfo};

use crate::contract::{World, eventually};

fn info(name: &str) -> NodeInfo {
    NodeInfo {
        node: NodeId::parse(name).expect("valid"),
        version: "1.2.3".into(),
        connections: 7,
        subscriptions: 8,
        topics: 9,
        started_at: 1_700_000_000_000,
        draining: false,
        advertise: Some("http://10.0.0.7:8080".to_owned()),
    }
}

async fn announce(node: &Backend, info: &NodeInfo, ttl: Duration) {
    node.nodes.announce(info, ttl).await.expect("announced");
}

async fn list(node: &Backend) -> Vec<NodeInfo> {
    node.nodes.list().await.expect("a list")
}

pub(crate) async fn nodes_are_listed_by_name_as_they_announced_themselves<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    assert!(list(&one).await.is_empty());
    for name in ["b", "c", "a"] {
        announce(&one, &info(name), NODE_TTL).await;
    }
    let draining = NodeInfo {
        draining: true,
        connections: 0,
        ..info("c")
    };
    announce(&other, &draining, NODE_TTL).await;
    assert_eq!(list(&other).await, [info("a"), info("b"), draining]);
    assert_eq!(list(&one).await, list(&other).await);
}

pub(crate) async fn a_node_that_withdraws_is_not_listed<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    for name in ["a", "b"] {
        announce(&one, &info(name), NODE_TTL).await;
    }
    for _ in 0..2 {
        one.nodes.withdraw(&info("a").node).await.expect("withdrawn");
        assert_eq!(list(&other).await, [info("b")]);
    }
}

pub(crate) async fn a_node_that_falls_silent_is_not_listed<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    announce(&one, &info("kept"), NODE_TTL).await;
    announce(&one, &info("silent"), Duration::from_millis(50)).await;
    eventually("it is gone", || async {
        (list(&other).await == [info("kept")]).then_some(())
    })
    .await;
}
