//! What is answered to what.

use serde_json::{Value, json};
use tidegate_shared::embedded::Store;
use tidegate_shared::namespace::{Namespace, Namespaces};

use super::harness::{alone, config, start};

#[tokio::test]
async fn welcome_is_the_first_message() {
    let node = alone();
    let mut client = node.newcomer().await;
    let welcome = client.next().await;
    assert_eq!(welcome["type"], "welcome");
    assert_eq!(welcome["node"], node.node.id.as_str());
    assert_eq!(
        (&welcome["user"], &welcome["ping_ms"]),
        (&Value::Null, &json!(25_000))
    );
    assert_eq!(welcome["session"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn a_command_without_an_id_is_answered_only_if_it_fails() {
    let node = alone();
    let mut client = node.client().await;
    client.send(json!({"action": "ping"})).await;
    client.send(json!({"action": "subscribe", "topic": "t"})).await;
    client.send(json!({"action": "subscribe", "topic": "t"})).await;
    let failure = client.next().await;
    assert_eq!(
        (&failure["code"], &failure["id"]),
        (&json!(105), &Value::Null),
        "{failure}"
    );
}

#[tokio::test]
async fn commands_on_one_topic_take_effect_in_the_order_sent() {
    let node = alone();
    let mut client = node.client().await;
    for round in 0..50 {
        client
            .send(json!({"id": 1, "action": "publish", "topic": "t", "data": round}))
            .await;
        client
            .send(json!({"id": 2, "action": "subscribe", "topic": "t"}))
            .await;
        client
            .send(json!({"id": 3, "action": "publish", "topic": "t", "data": round}))
            .await;
        client
            .send(json!({"id": 4, "action": "unsubscribe", "topic": "t"}))
            .await;
        client
            .send(json!({"id": 5, "action": "publish", "topic": "t", "data": round}))
            .await;
        let top = round * 3;
        let mut seen = Vec::new();
        while seen.last() != Some(&json!(5)) {
            let message = client.next().await;
            match message["type"].as_str() {
                Some("message") => assert_eq!(message["offset"], top + 2, "{message}"),
                Some("subscribed") => assert_eq!(message["offset"], top + 1, "{message}"),
                _ => {}
            }
            if message["id"].is_number() {
                seen.push(message["id"].clone());
            }
        }
        assert_eq!(seen, [1, 2, 3, 4, 5].map(|id| json!(id)));
    }
}

#[tokio::test]
async fn limits_are_answered_with_their_codes() {
    let config = config(|config| {
        config.limits.subscriptions_per_connection = 2;
        config.limits.data = 10;
        let mut small = Namespace::new("default");
        small.max_data = 10;
        config.namespaces = Namespaces::new(small, []);
    });
    let store = Store::new(config.namespaces.clone());
    let node = start(&config, &store);
    let mut client = node.client().await;
    let eleven = "123456789";
    for (command, code) in [
        (json!({"action": "subscribe", "topic": "a"}), None),
        (json!({"action": "subscribe", "topic": "a"}), Some(105)),
        (json!({"action": "subscribe", "topic": "b"}), None),
        (json!({"action": "subscribe", "topic": "c"}), Some(106)),
        (
            json!({"action": "submit", "job": {"type": "x", "data": {}}}),
            Some(106),
        ),
        (
            json!({"action": "publish", "topic": "a", "data": eleven}),
            Some(114),
        ),
        (
            json!({"action": "submit", "follow": false, "job": {"type": "x", "data": eleven}}),
            Some(114),
        ),
        (
            json!({"action": "publish", "topic": "user:x", "data": 1}),
            Some(102),
        ),
        (
            json!({"action": "publish", "topic": "jobs:default", "data": 1}),
            Some(102),
        ),
        (json!({"action": "subscribe", "topic": "job:rubbish"}), Some(104)),
        (json!({"action": "history", "topic": "job:rubbish"}), Some(104)),
        (json!({"action": "subscribe", "topic": "a b"}), Some(103)),
        (json!({"action": "presence", "topic": "a"}), Some(102)),
        (json!({"action": "unsubscribe", "topic": "never"}), None),
        (json!({"action": "unsubscribe", "topic": "b"}), None),
        (json!({"action": "subscribe", "topic": "c"}), None),
    ] {
        let mut command = command;
        command["id"] = json!(1);
        let reply = loop {
            let message = client.ask(command.clone()).await;
            if message["id"] == 1 {
                break message;
            }
        };
        assert_eq!(
            reply.get("code").and_then(Value::as_u64),
            code,
            "{command}: {reply}"
        );
    }
}

#[tokio::test]
async fn history_gives_the_newest_or_what_follows_a_position() {
    let node = alone();
    let mut client = node.client().await;
    let mut positions = Vec::new();
    for number in 1..=5 {
        let published = client
            .ask(json!({"id": 1, "action": "publish", "topic": "t", "data": number}))
            .await;
        positions.push(published);
    }
    let offsets = |reply: &Value| -> Vec<u64> {
        let list = reply["publications"].as_array().expect("a list");
        list.iter().filter_map(|one| one["offset"].as_u64()).collect()
    };
    let newest = client
        .ask(json!({"id": 1, "action": "history", "topic": "t", "limit": 2}))
        .await;
    assert_eq!(offsets(&newest), [4, 5]);
    assert_eq!(
        (&newest["offset"], &newest["complete"]),
        (&json!(5), &json!(true))
    );
    let since = json!({"epoch": newest["epoch"], "offset": 1, "tag": positions[0]["tag"]});
    let after = client
        .ask(json!({"id": 1, "action": "history", "topic": "t", "since": since, "limit": 3}))
        .await;
    assert_eq!(offsets(&after), [2, 3, 4]);
    let foreign = json!({"epoch": "elsewhere", "offset": 1});
    let lost = client
        .ask(json!({"id": 1, "action": "history", "topic": "t", "since": foreign}))
        .await;
    assert_eq!((&lost["complete"], offsets(&lost).len()), (&json!(false), 0));
}
