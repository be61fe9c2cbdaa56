//! What is somebody else's: inboxes, jobs, presence, and what stands in their logs.

use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::embedded::Store;

use crate::node::Node;
use crate::tokens::{Client, config, request, token};
use crate::wire::get;

async fn client(node: &Node, user: &str) -> Client {
    let query = format!("?token={}", token(user, 600.0));
    let mut client = Client::connect(request(node, &query)).await.expect("let in");
    client.next().await;
    client.next().await;
    client
}

#[tokio::test]
async fn what_is_somebody_elses_is_refused_in_the_same_words_whether_it_exists_or_not() {
    let config = config(false);
    let backend = Store::new(config.namespaces.clone()).open();
    let node = Node::start_closed(backend, config, Options::default());
    let (mut ann, mut eve) = (client(&node, "ann").await, client(&node, "eve").await);
    let submit =
        json!({"id": 1, "action": "submit", "follow": false, "job": {"type": "x", "data": "secret"}});
    let submitted = loop {
        let message = ann.ask(submit.clone()).await;
        if message["type"] == "submitted" {
            break message;
        }
    };
    let job = submitted["job"]["id"].as_str().expect("an id").to_owned();
    let made_up = format!("default.0.{}", "0".repeat(32));
    let mut words: Vec<Value> = Vec::new();
    for id in [&job, &made_up] {
        for command in [
            json!({"id": 2, "action": "subscribe", "topic": format!("job:{id}")}),
            json!({"id": 2, "action": "history", "topic": format!("job:{id}")}),
            json!({"id": 2, "action": "cancel", "job": id}),
        ] {
            let refused = eve.ask(command).await;
            assert_eq!(refused["code"], 102, "{refused}");
            let told = refused["message"]
                .as_str()
                .expect("a text")
                .replace(id.as_str(), "ID");
            words.push(told.into());
        }
        let path = format!("/api/jobs/{id}/events?token={}", token("eve", 600.0));
        get(node.client, &path).await.problem(403, 102);
    }
    assert_eq!(words[..3], words[3..]);
    for command in [
        json!({"id": 3, "action": "subscribe", "topic": "user:ann"}),
        json!({"id": 3, "action": "history", "topic": "user:ann"}),
        json!({"id": 3, "action": "publish", "topic": "user:ann", "data": "phish"}),
        json!({"id": 3, "action": "presence", "topic": "user:ann"}),
        json!({"id": 3, "action": "subscribe", "topic": "jobs:default"}),
    ] {
        let refused = eve.ask(command).await;
        assert_eq!(refused["code"], 102, "{refused}");
    }
    let path = format!("/events?topic=user:ann&token={}", token("eve", 600.0));
    get(node.client, &path).await.problem(403, 102);
    get(node.client, &format!("/api/jobs/{job}"))
        .await
        .problem(401, 101);
    let metrics = get(node.admin, "/metrics").await.text();
    let counted = "tidegate_commands_total{action=\"cancel\",outcome=\"forbidden\"} 2\n";
    assert!(metrics.contains(counted), "{metrics}");
    let ping = json!({"id": 4, "action": "ping"});
    loop {
        // Her own job may be told meanwhile.
        if ann.ask(ping.clone()).await["type"] == "pong" {
            break;
        }
    }
}
