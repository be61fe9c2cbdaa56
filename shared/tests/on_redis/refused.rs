//! A Redis that would lose data, or can't take any, is refused with what to change.

use prometheus::Registry;
use tidegate_shared::broker::{BrokerError, Link};
use tidegate_shared::testing::RedisServer;

use super::{node, open, raw, start, until};
use crate::contract::broker::{draft, publish, topic};

async fn refusal(server: &RedisServer) -> String {
    let node = open(server.url(), &Registry::new());
    let Link::Refused(why) = until(&node, |link| matches!(link, Link::Refused(_))).await else {
        unreachable!()
    };
    let answer = node.broker.publish(&topic("a"), draft("1")).await;
    assert_eq!(answer, Err(BrokerError::Unavailable(why.clone())), "it says why");
    let answer = node.broker.attach(&topic("a")).await;
    assert_eq!(answer, Err(BrokerError::Unavailable(why.clone())), "it says why");
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicting_redis_is_refused() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"])
        .await
        .expect("redis-server");
    let why = refusal(&server).await;
    assert!(
        why.contains("allkeys-lru") && why.contains("maxmemory-policy noeviction"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_replica_is_refused() {
    let primary = start().await;
    let port = primary.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port])
        .await
        .expect("redis-server");
    let why = refusal(&replica).await;
    assert!(why.contains("primary"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_becomes_unfit_later_is_down_until_that_is_changed() {
    let server = start().await;
    let node = node(&server).await;
    raw(&server, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    raw(&server, &["CLIENT", "KILL", "TYPE", "normal"]).await;
    until(&node, |link| *link == Link::Down).await;
    raw(&server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    until(&node, |link| *link == Link::Up).await;
    publish(&node, &topic("a"), "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_a_connection_that_never_comes_up() {
    let server = RedisServer::start_with(&["--requirepass", "right"])
        .await
        .expect("redis-server");
    let port = server.port();
    let wrong = open(format!("redis://:wrong@127.0.0.1:{port}"), &Registry::new());
    let right = open(format!("redis://:right@127.0.0.1:{port}"), &Registry::new());
    until(&right, |link| *link == Link::Up).await;
    assert_eq!(*wrong.broker.link().borrow(), Link::Connecting);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_is_a_temporary_error() {
    let server = start().await;
    let node = node(&server).await;
    raw(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let answer = node.broker.publish(&topic("a"), draft("1")).await;
    assert!(matches!(answer, Err(BrokerError::Unavailable(_))), "{answer:?}");
    raw(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    publish(&node, &topic("a"), "1").await;
}
