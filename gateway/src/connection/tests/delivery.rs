//! What subscribers get.

use serde_json::json;
use tidegate_shared::embedded::Store;
use tidegate_shared::namespace::{Namespace, Namespaces};

use super::harness::{alone, config, start};

#[tokio::test]
async fn a_publication_reaches_the_subscribers_of_its_topic() {
    let node = alone();
    let mut reader = node.client().await;
    let mut writer = node.client().await;
    let subscribed = reader
        .ask(json!({"id": 1, "action": "subscribe", "topic": "news"}))
        .await;
    assert_eq!(
        (&subscribed["type"], &subscribed["offset"]),
        (&json!("subscribed"), &json!(0))
    );
    let published = writer
        .ask(json!({"id": "p", "action": "publish", "topic": "news", "data": {"x": [1, 2]}}))
        .await;
    assert_eq!(published["offset"], 1);
    let message = reader.next().await;
    assert_eq!(message["type"], "message");
    assert_eq!(message["data"], json!({"x": [1, 2]}));
    assert_eq!(
        (&message["offset"], &message["tag"]),
        (&json!(1), &published["tag"])
    );
}

#[tokio::test]
async fn subscribers_on_every_node_get_everything_in_order() {
    const SUBSCRIBERS: usize = 50;
    const PUBLICATIONS: u64 = 1_000;
    let config = config(|_| {});
    let store = Store::new(config.namespaces.clone());
    let nodes = [start(&config, &store), start(&config, &store)];
    let mut readers = Vec::new();
    for node in &nodes {
        for _ in 0..SUBSCRIBERS {
            let mut reader = node.client().await;
            reader
                .ask(json!({"id": 1, "action": "subscribe", "topic": "t"}))
                .await;
            readers.push(tokio::spawn(async move {
                for offset in 1..=PUBLICATIONS {
                    let message = reader.next().await;
                    assert_eq!(message["offset"], offset, "{message}");
                    assert_eq!(message["data"], offset);
                }
            }));
        }
    }
    let mut writer = nodes[0].client().await;
    for number in 1..=PUBLICATIONS {
        writer
            .send(json!({"action": "publish", "topic": "t", "data": number}))
            .await;
    }
    for reader in readers {
        reader.await.expect("everything came");
    }
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed_and_then_what_is_new() {
    let config = config(|_| {});
    let store = Store::new(config.namespaces.clone());
    let nodes = [start(&config, &store), start(&config, &store)];
    let mut writer = nodes[0].client().await;
    let mut first = nodes[0].client().await;
    let subscribed = first
        .ask(json!({"id": 1, "action": "subscribe", "topic": "t"}))
        .await;
    let publish = |number: u64| json!({"id": number, "action": "publish", "topic": "t", "data": number});
    writer.ask(publish(1)).await;
    let seen = first.next().await;
    drop(first);
    for number in 2..=5 {
        writer.ask(publish(number)).await;
    }
    let since = json!({"epoch": subscribed["epoch"], "offset": seen["offset"], "tag": seen["tag"]});
    let mut second = nodes[1].client().await;
    let resumed = second
        .ask(json!({"id": 2, "action": "subscribe", "topic": "t", "since": since}))
        .await;
    assert_eq!(
        (&resumed["recovered"], &resumed["offset"]),
        (&json!(true), &json!(5))
    );
    writer.ask(publish(6)).await;
    for number in 2..=6 {
        assert_eq!(second.next().await["data"], number);
    }
    let foreign = json!({"epoch": subscribed["epoch"], "offset": 1, "tag": "zzzzzz"});
    let mut third = nodes[1].client().await;
    let told = third
        .ask(json!({"id": 3, "action": "subscribe", "topic": "t", "since": foreign}))
        .await;
    assert_eq!((&told["recovered"], &told["offset"]), (&json!(false), &json!(6)));
    assert_eq!(nodes[1].metric("tidegate_recoveries_total", Some("recovered")), 1);
    assert_eq!(
        nodes[1].metric("tidegate_recoveries_total", Some("not_recovered")),
        1
    );
}

#[tokio::test]
async fn what_was_missed_is_not_recovered_where_it_would_fill_the_outbox() {
    let config = config(|config| config.limits.outbox = 64 * 1024);
    let store = Store::new(config.namespaces.clone());
    let node = start(&config, &store);
    let mut client = node.client().await;
    let start = client
        .ask(json!({"id": 1, "action": "subscribe", "topic": "t"}))
        .await;
    client
        .ask(json!({"id": 2, "action": "unsubscribe", "topic": "t"}))
        .await;
    let data = "x".repeat(8 * 1024);
    for number in 0..8 {
        client
            .ask(json!({"id": number, "action": "publish", "topic": "t", "data": data}))
            .await;
    }
    let since = json!({"epoch": start["epoch"], "offset": 0, "tag": ""});
    let resumed = client
        .ask(json!({"id": 3, "action": "subscribe", "topic": "t", "since": since}))
        .await;
    assert_eq!(
        (&resumed["recovered"], &resumed["offset"]),
        (&json!(false), &json!(8))
    );
}

#[tokio::test]
async fn topics_without_a_log_have_no_positions() {
    let config = config(|config| {
        let mut fleeting = Namespace::new("fleeting");
        fleeting.log_size = 0;
        config.namespaces = Namespaces::new(Namespace::new("default"), [fleeting]);
    });
    let store = Store::new(config.namespaces.clone());
    let node = start(&config, &store);
    let mut client = node.client().await;
    let since = json!({"epoch": "x", "offset": 3});
    let subscribed = client
        .ask(json!({"id": 1, "action": "subscribe", "topic": "fleeting:t", "since": since}))
        .await;
    assert_eq!(
        subscribed,
        json!({"type": "subscribed", "id": 1, "topic": "fleeting:t", "recovered": false})
    );
    client
        .send(json!({"action": "publish", "topic": "fleeting:t", "data": 1}))
        .await;
    let message = client.next().await;
    assert_eq!((&message["data"], message.get("offset")), (&json!(1), None));
}
