//! The maps of state topics, as their followers see them.

use serde_json::json;
use tidegate_shared::embedded::Store;
use tidegate_shared::namespace::{Namespace, Namespaces, TopicKind};

use super::harness::{TestNode, config, start};

fn started() -> TestNode {
    let config = config(|config| {
        let mut room = Namespace::new("room");
        room.kind = TopicKind::State;
        room.presence = true;
        config.namespaces = Namespaces::new(Namespace::new("default"), [room]);
    });
    let store = Store::new(config.namespaces.clone());
    start(&config, &store)
}

#[tokio::test]
async fn a_late_comer_gets_the_map_and_then_every_change() {
    let node = started();
    let mut early = node.client().await;
    let set = json!({"id": 1, "action": "set", "topic": "room:1", "key": "a", "value": {"n": 1}});
    let published = early.ask(set).await;
    assert_eq!(
        (&published["type"], &published["offset"]),
        (&json!("published"), &json!(1))
    );
    let set = json!({"id": 2, "action": "set", "topic": "room:1", "key": "b", "value": null});
    assert_eq!(early.ask(set).await["offset"], 2);
    let mut late = node.client().await;
    let subscribed = late
        .ask(json!({"id": 1, "action": "subscribe", "topic": "room:1"}))
        .await;
    assert_eq!(subscribed["snapshot"], json!({"a": {"n": 1}, "b": null}));
    assert_eq!(subscribed["offset"], 2);
    let removed = early
        .ask(json!({"id": 3, "action": "remove", "topic": "room:1", "key": "b"}))
        .await;
    assert_eq!(removed["offset"], 3);
    let push = late.next().await;
    assert_eq!(
        (&push["type"], &push["key"], &push["offset"]),
        (&json!("remove"), &json!("b"), &json!(3))
    );
}

#[tokio::test]
async fn keys_belong_to_state_topics_and_presence_to_namespaces_that_keep_it() {
    let node = started();
    let mut client = node.client().await;
    for (command, code) in [
        (
            json!({"action": "set", "topic": "news", "key": "a", "value": 1}),
            102,
        ),
        (json!({"action": "remove", "topic": "news", "key": "a"}), 102),
        (
            json!({"action": "set", "topic": "user:x", "key": "a", "value": 1}),
            102,
        ),
        (
            json!({"action": "set", "topic": "room:1", "key": "a b", "value": 1}),
            103,
        ),
        (json!({"action": "set", "topic": "room:1", "key": "a"}), 103),
        (json!({"action": "set", "topic": "room:1", "value": 1}), 103),
        (
            json!({"action": "set", "topic": "room:1", "key": "a", "value": 1, "ttl_ms": -1}),
            103,
        ),
        (json!({"action": "presence", "topic": "news"}), 102),
    ] {
        let mut command = command;
        command["id"] = json!(7);
        let reply = client.ask(command.clone()).await;
        assert_eq!(reply["code"], code, "{command} {reply}");
    }
    let presence = client
        .ask(json!({"id": 8, "action": "presence", "topic": "room:1"}))
        .await;
    assert_eq!(
        presence,
        json!({"type": "presence", "id": 8, "topic": "room:1", "count": 0, "members": []})
    );
}
