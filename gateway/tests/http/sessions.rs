//! Sessions that the API closes, subscribes and unsubscribes, on whichever node they live.

use serde_json::{Value, json};
use tidegate_gateway::Options;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::fleet::{Ground, on_every_ground};
use crate::node::{Node, config};

on_every_ground!(
    a_session_is_disconnected_on_whichever_node_it_lives,
    a_subscription_made_by_the_server_is_announced_and_is_one_like_any_other,
    a_subscription_made_by_the_server_can_begin_at_a_position,
);

async fn reached(node: &Node, path: &str, body: Value) -> Value {
    let answer = node.post(path, &body).await;
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
    answer.json()
}

async fn a_session_is_disconnected_on_whichever_node_it_lives(ground: Ground) {
    let (here, there, _fleet) = ground.two(config()).await;
    let (mut near, mut far) = (Client::connect(&here).await, Client::connect(&there).await);
    for client in [&mut near, &mut far] {
        let body = json!({"session": client.session});
        let answer = reached(&here, "/api/disconnect", body.clone()).await;
        assert_eq!(answer, json!({"connections": 1, "nodes": 2, "answered": 2}));
        let Message::Close(Some(close)) = client.message().await else {
            panic!("no close frame");
        };
        assert_eq!(u16::from(close.code), 3505);
    }
    let nobody = json!({"session": "0123456789abcdef0123456789abcdef"});
    here.post("/api/disconnect", &nobody).await.problem(404, 111);
    let away = reached(&here, "/api/disconnect", json!({"user": "ann"})).await;
    assert_eq!(away["connections"], 0);
    for body in [
        json!({}),
        json!({"session": near.session, "user": "ann"}),
        json!({"session": "x"}),
    ] {
        here.post("/api/disconnect", &body).await.problem(400, 103);
    }
}

async fn a_subscription_made_by_the_server_is_announced_and_is_one_like_any_other(ground: Ground) {
    let (here, there, _fleet) = ground.two(config()).await;
    let mut client = Client::connect(&there).await;
    here.post("/api/publish", &json!({"topic": "news", "data": 0}))
        .await;
    let body = json!({"session": client.session, "topic": "news"});
    assert_eq!(
        reached(&here, "/api/subscribe", body.clone()).await["connections"],
        1
    );
    let announced = client.next().await;
    assert_eq!(
        (&announced["type"], &announced["topic"]),
        (&json!("subscribed"), &json!("news"))
    );
    assert_eq!((announced.get("id"), &announced["offset"]), (None, &json!(1)));

    here.post("/api/publish", &json!({"topic": "news", "data": 1}))
        .await;
    assert_eq!(client.next().await["data"], 1);
    let again = client
        .ask(json!({"id": 1, "action": "subscribe", "topic": "news"}))
        .await;
    assert_eq!(again["code"], 105);

    // What is so already is not said again.
    reached(&here, "/api/subscribe", body.clone()).await;
    assert_eq!(
        reached(&here, "/api/unsubscribe", body.clone()).await["connections"],
        1
    );
    let announced = client.next().await;
    assert_eq!(announced, json!({"type": "unsubscribed", "topic": "news"}));
    here.post("/api/publish", &json!({"topic": "news", "data": 2}))
        .await;
    reached(&here, "/api/unsubscribe", body).await;
    let pong = client.ask(json!({"id": 2, "action": "ping"})).await;
    assert_eq!(pong["type"], "pong", "nothing comes of the topic any more");
}

async fn a_subscription_made_by_the_server_can_begin_at_a_position(ground: Ground) {
    let (here, there, _fleet) = ground.two(config()).await;
    let mut client = Client::connect(&there).await;
    let first = here
        .post("/api/publish", &json!({"topic": "a", "data": 1}))
        .await
        .json();
    here.post("/api/publish", &json!({"topic": "a", "data": 2})).await;
    let since = json!({"epoch": first["epoch"], "offset": 1, "tag": first["tag"]});
    let body = json!({"session": client.session, "topic": "a", "since": since});
    reached(&here, "/api/subscribe", body).await;
    assert_eq!(client.next().await["recovered"], true);
    assert_eq!(client.next().await["data"], 2);
}

#[tokio::test]
async fn a_server_does_not_pass_a_connections_limit_either() {
    let mut config = config();
    config.limits.subscriptions_per_connection = 1;
    let node = Node::start_with(config, Options::default());
    let mut client = Client::connect(&node).await;
    let subscribed = client
        .ask(json!({"id": 1, "action": "subscribe", "topic": "a"}))
        .await;
    assert_eq!(subscribed["type"], "subscribed");
    reached(
        &node,
        "/api/subscribe",
        json!({"session": client.session, "topic": "b"}),
    )
    .await;
    let error = client.next().await;
    assert_eq!((&error["code"], error.get("id")), (&json!(106), None));
    let missing = json!({"session": client.session, "topic": "job:x"});
    node.post("/api/subscribe", &missing).await.problem(404, 104);
}
