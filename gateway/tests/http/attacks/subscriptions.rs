//! One client that wants to follow everything.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::Scene;
use crate::client::Client;
use crate::node::config;
use crate::wire::DEADLINE;

#[tokio::test]
async fn ten_thousand_subscriptions_of_one_client_are_as_many_as_it_may_have() {
    const TRIED: usize = 10_000;
    let scene = Scene::open(config()).await;
    let (mut sending, mut reading) = Client::connect(&scene.node).await.socket.split();
    tokio::spawn(async move {
        for id in 0..TRIED {
            let subscribe = json!({"action": "subscribe", "topic": format!("t{id}"), "id": id});
            if sending.feed(Message::text(subscribe.to_string())).await.is_err() {
                return;
            }
        }
        let _ = sending.flush().await;
        // Dropping it would end the connection.
        std::future::pending::<()>().await;
    });
    let (mut joined, mut refused) = (0, 0);
    while joined + refused < TRIED {
        let message = tokio::time::timeout(DEADLINE, reading.next()).await;
        let message = message.expect("in time").expect("not ended").expect("no error");
        let Message::Text(text) = message else { continue };
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        match (&answer["type"], &answer["code"]) {
            (kind, _) if kind == "subscribed" => joined += 1,
            (_, code) if code == 106 => refused += 1,
            _ => panic!("{answer}"),
        }
    }
    assert_eq!(joined, 128);
    assert!((scene.value("tidegate_subscriptions").await - 128.0).abs() < 0.5);
    assert!(scene.value("tidegate_topics").await <= 128.0);
    scene
        .assert_harmless(
            "tidegate_commands_total{action=\"subscribe\",outcome=\"limit_exceeded\"}",
            9_000.0,
        )
        .await;
}
