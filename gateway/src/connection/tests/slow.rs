//! Clients that stall, and what they get when they read again.

use serde_json::{Value, json};
use tidegate_shared::config::Config;
use tidegate_shared::embedded::Store;
use tidegate_shared::namespace::{Namespace, Namespaces, SlowPolicy};
use tidegate_shared::topic::Topic;

use super::harness::{Client, TestNode, config, start};

const OUTBOX: usize = 256 * 1024;
const PUBLICATIONS: u64 = 600;
/// More than an outbox and all socket buffers take.
const DATA: usize = 32 * 1024;

fn node(slow: SlowPolicy, log_size: u32) -> TestNode {
    let config = config(|config: &mut Config| {
        config.limits.outbox = OUTBOX;
        config.namespaces = Namespaces::new(
            Namespace {
                slow,
                log_size,
                ..Namespace::new(Topic::DEFAULT_NAMESPACE)
            },
            [],
        );
    });
    start(&config, &Store::new(config.namespaces.clone()))
}

async fn subscriber(node: &TestNode, topics: &[&str]) -> Client {
    let mut client = node.client().await;
    for topic in topics {
        client
            .ask(json!({"id": 1, "action": "subscribe", "topic": topic}))
            .await;
    }
    client
}

/// Publishes to each topic in turn, and reads everything as one of many would.
async fn flood(node: &TestNode, topics: &[&str]) {
    let mut reader = subscriber(node, topics).await;
    let mut writer = node.client().await;
    let data = "x".repeat(DATA);
    let mut most = 0;
    for offset in 1..=PUBLICATIONS {
        for topic in topics {
            writer
                .ask(json!({"id": offset, "action": "publish", "topic": topic, "data": data}))
                .await;
            let message = reader.next().await;
            assert_eq!(message["offset"], offset, "others lose nothing");
            assert!(message["skipped"].is_null());
        }
        most = most.max(node.metric("tidegate_outbox_bytes", None));
    }
    let bound = i64::try_from(OUTBOX).expect("small");
    assert!(most < bound, "{most} bytes waited");
}

async fn until(client: &mut Client, topic: &str, offset: u64) -> Vec<Value> {
    let mut messages = Vec::new();
    loop {
        let message = client.next().await;
        let is_last = message["topic"] == topic && message["offset"] == offset;
        messages.push(message);
        if is_last {
            return messages;
        }
    }
}

#[tokio::test]
async fn a_reader_that_stalls_catches_up_with_everything_the_log_has() {
    let node = node(SlowPolicy::CatchUp, 10_000);
    let mut stalled = subscriber(&node, &["a", "b"]).await;
    flood(&node, &["a", "b"]).await;
    let mut seen = [0, 0];
    while seen != [PUBLICATIONS; 2] {
        let message = stalled.next().await;
        let index = usize::from(message["topic"] == "b");
        assert_eq!(message["offset"], seen[index] + 1, "{}", message["type"]);
        seen[index] += 1;
    }
    // And is where the others are.
    let mut writer = node.client().await;
    writer
        .ask(json!({"id": 1, "action": "publish", "topic": "a", "data": 1}))
        .await;
    assert_eq!(stalled.next().await["offset"], PUBLICATIONS + 1);
    assert_eq!(node.metric("tidegate_messages_dropped_total", None), 0);
}

#[tokio::test]
async fn a_reader_that_stalls_for_longer_than_the_log_is_told_what_it_missed() {
    let node = node(SlowPolicy::CatchUp, 20);
    let mut stalled = subscriber(&node, &["a"]).await;
    flood(&node, &["a"]).await;
    let mut last = 0;
    let mut missed = 0;
    while last < PUBLICATIONS {
        let message = stalled.next().await;
        if message["type"] == "lagged" {
            assert_eq!(message["from"], last + 1);
            last = message["to"].as_u64().expect("a number");
            missed += 1;
        } else {
            assert_eq!(message["offset"], last + 1);
            last += 1;
        }
    }
    assert_eq!(missed, 1, "told once");
    assert!(node.metric("tidegate_messages_dropped_total", Some("lagged")) > 0);
}

#[tokio::test]
async fn a_reader_that_stalls_can_leave_a_topic_and_return_to_it() {
    let node = node(SlowPolicy::CatchUp, 10_000);
    let mut stalled = subscriber(&node, &["a"]).await;
    flood(&node, &["a"]).await;
    stalled
        .send(json!({"id": "u", "action": "unsubscribe", "topic": "a"}))
        .await;
    let mut last = 0;
    loop {
        let message = stalled.next().await;
        if message["type"] == "unsubscribed" {
            break;
        }
        last += 1;
        assert_eq!(message["offset"], last);
    }
    let subscribed = stalled
        .ask(json!({"id": 2, "action": "subscribe", "topic": "a"}))
        .await;
    assert_eq!(subscribed["offset"], PUBLICATIONS);
    drop(stalled);
    tokio::time::timeout(super::harness::PATIENCE, node.node.emptied())
        .await
        .expect("all leave");
    assert_eq!(node.metric("tidegate_subscriptions", None), 0);
    assert_eq!(node.metric("tidegate_outbox_bytes", None), 0);
}

#[tokio::test]
async fn a_reader_that_stalls_gets_the_newest_and_is_told_how_many_it_did_not_get() {
    let node = node(SlowPolicy::Latest, 100);
    let mut stalled = subscriber(&node, &["a", "b"]).await;
    flood(&node, &["a", "b"]).await;
    let mut messages = until(&mut stalled, "a", PUBLICATIONS).await;
    if !messages
        .iter()
        .any(|one| one["topic"] == "b" && one["offset"] == PUBLICATIONS)
    {
        messages.extend(until(&mut stalled, "b", PUBLICATIONS).await);
    }
    for topic in ["a", "b"] {
        let mut last = 0;
        for message in messages.iter().filter(|one| one["topic"] == topic) {
            last += message["skipped"].as_u64().unwrap_or(0) + 1;
            assert_eq!(message["offset"], last, "none is left out silently");
        }
        assert_eq!(last, PUBLICATIONS);
    }
    assert!(messages.len() < 1_000, "it got few: {}", messages.len());
    let mut writer = node.client().await;
    writer
        .ask(json!({"id": 1, "action": "publish", "topic": "a", "data": 1}))
        .await;
    let next = stalled.next().await;
    assert_eq!(
        (&next["offset"], &next["skipped"]),
        (&json!(PUBLICATIONS + 1), &json!(null))
    );
    assert!(node.metric("tidegate_messages_dropped_total", Some("coalesced")) > 0);
    assert_eq!(node.metric("tidegate_outbox_bytes", None), 0);
}
