//! What subscribers get.

use serde_json::json;
use tidegate_shared::embedded::Store;

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
