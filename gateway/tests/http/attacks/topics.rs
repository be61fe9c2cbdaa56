//! Names that mean something to Redis, to terminals, or to nobody.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::Scene;
use crate::client::Client;
use crate::node::config;
use crate::wire::get;

#[tokio::test]
async fn names_with_braces_white_space_and_control_characters_are_refused_everywhere() {
    let scene = Scene::open(config()).await;
    let mut client = Client::connect(&scene.node).await;
    let long = "x".repeat(1_000);
    let names = [
        "",
        "{}",
        "a{b",
        "a}b",
        "{t:other}:log",
        "a b",
        "a\tb",
        "a\r\nb",
        "a\0b",
        "a\u{1b}[2Jb",
        "a\u{7f}b",
        "a\u{85}b",
        &long,
    ];
    for name in names {
        for command in [
            json!({"action": "subscribe", "topic": name}),
            json!({"action": "publish", "topic": name, "data": 1}),
            json!({"action": "set", "topic": name, "key": "k", "value": 1}),
            json!({"action": "history", "topic": name}),
            json!({"action": "submit", "job": {"type": "x", "data": 1, "queue": name}}),
            json!({"action": "ping"}),
        ] {
            let answer = client.call(command.clone()).await;
            if command["action"] != "ping" {
                assert_eq!(answer["code"], 103, "{name:?}: {answer}");
            }
        }
        let publish = json!({"topic": name, "data": 1});
        scene.node.post("/api/publish", &publish).await.problem(400, 103);
        let submit = json!({"type": "x", "data": 1, "queue": name});
        scene.node.post("/api/jobs", &submit).await.problem(400, 103);
        let topic = utf8_percent_encode(name, NON_ALPHANUMERIC);
        get(scene.node.client, &format!("/events?topic={topic}"))
            .await
            .problem(400, 103);
    }
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let times = names.len() as f64 * 5.0;
    scene
        .assert_harmless(
            "tidegate_commands_total{action=\"invalid\",outcome=\"bad_request\"}",
            times,
        )
        .await;
}
