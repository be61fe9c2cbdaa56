//! Deployments that are not there yet, and those that are not what the URL says.

use prometheus::Registry;
use tidegate_shared::broker::{BrokerError, Link};
use tidegate_shared::testing::{RedisCluster, RedisSentinel, RedisServer};

use crate::contract::broker::{draft, topic};
use crate::contract::eventually;
use crate::on_redis::{data, open, publication, raw, skip_to, until};

async fn refusal(url: String) -> String {
    let node = open(url, &Registry::new());
    let Link::Refused(why) = until(&node, |link| matches!(link, Link::Refused(_))).await else {
        unreachable!("waited for it");
    };
    let refused = node.broker.publish(&topic("chat:a"), draft("1")).await;
    assert!(matches!(refused, Err(BrokerError::Unavailable(_))), "{refused:?}");
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_started_before_the_cluster_serves_once_it_is_there() {
    let mut cluster = RedisCluster::absent(3, &[]).expect("free ports");
    let node = open(cluster.url(), &Registry::new());
    let chat = topic("chat:a");
    let refused = node.broker.publish(&chat, draft("1")).await;
    assert!(matches!(refused, Err(BrokerError::Unavailable(_))), "{refused:?}");
    assert_eq!(*node.broker.link().borrow(), Link::Connecting);
    cluster.form().await.expect("a Cluster");
    until(&node, |link| *link == Link::Up).await;
    let mut events = node.broker.events().expect("first");
    // Its servers find out one after the other that they are a Cluster.
    eventually("it serves", async || {
        node.broker.attach(&chat).await.ok()?;
        node.broker.publish(&chat, draft("2")).await.ok()
    })
    .await;
    assert_eq!(data(&*skip_to(&mut events, publication).await), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_slots_that_no_server_serves_is_refused() {
    let mut cluster = RedisCluster::absent(1, &[]).expect("a free port");
    cluster.master_mut(0).restart().await.expect("started");
    raw(&cluster.masters()[0], &["CLUSTER", "ADDSLOTSRANGE", "0", "383"]).await;
    let why = refusal(cluster.url()).await;
    assert!(
        why.contains("16000 of its slots") && why.contains("redis-cli"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_of_another_kind_is_refused_with_the_right_one() {
    let single = RedisServer::start().await.expect("redis-server");
    let port = single.port();
    let why = refusal(format!("redis-cluster://127.0.0.1:{port}")).await;
    assert!(why.contains("not part of a Cluster: write redis://"), "{why}");
    let why = refusal(format!("redis-sentinel://127.0.0.1:{port}/mymaster")).await;
    assert!(why.contains("no Sentinel: write redis://"), "{why}");

    let mut cluster = RedisCluster::absent(1, &[]).expect("a free port");
    cluster.form().await.expect("a Cluster");
    let why = refusal(cluster.masters()[0].url()).await;
    assert!(why.contains("write redis-cluster://"), "{why}");

    let sentinel = RedisSentinel::start().await.expect("a master and a replica");
    let why = refusal(sentinel.url().replace("mymaster", "yourmaster")).await;
    assert!(
        why.contains("no Sentinel knows a service \"yourmaster\""),
        "{why}"
    );
    let why = refusal(sentinel.sentinels()[0].url()).await;
    assert!(why.contains("write redis-sentinel://"), "{why}");
}
