//! Who is on a topic, over two nodes.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_shared::config::Config;
use tidegate_shared::embedded::Store;
use tidegate_shared::namespace::{Namespace, Namespaces};

use super::harness::{Client, TestNode, config, start};

/// `room` tells who comes and goes, `hall` only keeps the list.
fn with_rooms(limit: usize) -> Arc<Config> {
    config(|config| {
        let mut room = Namespace::new("room");
        (room.presence, room.join_leave) = (true, true);
        let mut hall = Namespace::new("hall");
        (hall.presence, hall.log_size) = (true, 0);
        config.namespaces = Namespaces::new(Namespace::new("default"), [room, hall]);
        config.limits.outbox = limit;
    })
}

fn two() -> (TestNode, TestNode) {
    let config = with_rooms(1 << 20);
    let store = Store::new(config.namespaces.clone());
    (start(&config, &store), start(&config, &store))
}

async fn subscribe(client: &mut Client, topic: &str) -> Value {
    let reply = client
        .ask(json!({"id": 1, "action": "subscribe", "topic": topic, "presence": true}))
        .await;
    assert_eq!(reply["type"], "subscribed", "{reply}");
    reply
}

async fn count(client: &mut Client, topic: &str) -> Value {
    let command = json!({"id": 9, "action": "presence", "topic": topic, "limit": 0});
    let reply = client.ask(command).await;
    assert_eq!(reply["members"], json!([]));
    reply["count"].clone()
}

#[tokio::test]
async fn others_are_told_once_of_who_comes_and_who_goes() {
    let (here, there) = two();
    let (mut ann, mut bo) = (here.client().await, there.client().await);
    let alone = subscribe(&mut ann, "room:1").await;
    assert_eq!(alone["count"], 1);
    let ann_is = alone["members"][0].clone();
    let both = subscribe(&mut bo, "room:1").await;
    assert_eq!(both["count"], 2);
    assert_eq!(both["members"][0], ann_is);
    let bo_is = both["members"][1].clone();
    let join = ann.next().await;
    assert_eq!(join, json!({"type": "join", "topic": "room:1", "member": bo_is}));

    // Nobody is told of itself, and a publication comes after what came before it.
    let unsubscribed = ann
        .ask(json!({"id": 2, "action": "unsubscribe", "topic": "room:1"}))
        .await;
    assert_eq!(unsubscribed["type"], "unsubscribed");
    let leave = bo.next().await;
    assert_eq!(
        leave,
        json!({"type": "leave", "topic": "room:1", "member": ann_is})
    );
    assert_eq!(
        count(&mut ann, "room:1").await,
        1,
        "off the list when it is answered"
    );

    subscribe(&mut ann, "room:1").await;
    assert_eq!(bo.next().await["type"], "join");
    bo.close(1000).await;
    let leave = ann.next().await;
    assert_eq!(
        leave,
        json!({"type": "leave", "topic": "room:1", "member": bo_is})
    );
}

#[tokio::test]
async fn without_join_leave_there_is_a_list_and_nothing_is_told() {
    let (here, there) = two();
    let (mut ann, mut bo) = (here.client().await, there.client().await);
    // Who does not ask for the list is on it all the same.
    let reply = ann
        .ask(json!({"id": 1, "action": "subscribe", "topic": "hall:1"}))
        .await;
    assert_eq!(reply.get("members"), None);
    assert_eq!(subscribe(&mut bo, "hall:1").await["count"], 2);
    assert_eq!(count(&mut ann, "hall:1").await, 2, "and this comes next");
    let refused = ann
        .ask(json!({"id": 1, "action": "subscribe", "topic": "news", "presence": true}))
        .await;
    assert_eq!(refused["code"], 102);
    assert!(
        refused["message"]
            .as_str()
            .is_some_and(|text| text.contains("presence = true"))
    );
}

#[tokio::test]
async fn a_node_that_ends_takes_its_clients_off_the_lists() {
    let (here, there) = two();
    let (mut ann, mut bo) = (here.client().await, there.client().await);
    subscribe(&mut ann, "room:1").await;
    subscribe(&mut bo, "room:1").await;
    assert_eq!(ann.next().await["type"], "join");
    there.shutdown.cancel();
    assert_eq!(ann.next().await["type"], "leave");
    there.node.emptied().await;
    there.node.withdraw().await;
    assert_eq!(count(&mut ann, "room:1").await, 1);
}

#[tokio::test]
async fn a_list_never_fills_the_outbox_of_who_asks_for_it() {
    const MANY: usize = 100;
    let config = with_rooms(8 * 1024);
    let store = Store::new(config.namespaces.clone());
    let node = start(&config, &store);
    let mut clients = Vec::new();
    for _ in 0..MANY {
        let mut client = node.client().await;
        subscribe(&mut client, "hall:1").await;
        clients.push(client);
    }
    let list = clients[0]
        .ask(json!({"id": 1, "action": "presence", "topic": "hall:1"}))
        .await;
    assert_eq!(list["count"], MANY);
    let told = list["members"].as_array().expect("a list").len();
    assert!((10..MANY).contains(&told), "{told}");
    drop(clients);
    let mut newcomer = node.client().await;
    tokio::time::timeout(super::harness::PATIENCE, async {
        while count(&mut newcomer, "hall:1").await != 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("everybody is off the list in time");
}
