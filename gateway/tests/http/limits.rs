//! What one client, or all of them, may ask of a node at most: each limit with its code, its metric, and others who are
//! not concerned.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::backend::Backend;
use tidegate_shared::config::Config;
use tidegate_shared::embedded::Store;
use tidegate_shared::namespace::{Namespace, Namespaces};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::node::{self, KEY, Node};
use crate::tokens;
use crate::wire::{Wire, ask, get};

fn start(change: impl FnOnce(&mut Config)) -> Node {
    let mut config = node::config();
    change(&mut config);
    Node::start_with(config, Options::default())
}

/// Whether `/metrics` has a line that begins so, with a value that is not 0.
async fn assert_counted(node: &Node, name: &str) {
    let metrics = get(node.admin, "/metrics").await.text();
    let counted = |line: &str| line.strip_prefix(name).is_some_and(|value| value.trim() != "0");
    assert!(metrics.lines().any(counted), "{name} in {metrics}");
}

async fn assert_unharmed(client: &mut Client) {
    assert_eq!(client.call(json!({"action": "ping"})).await["type"], "pong");
}

/// Sends the same command again and again without waiting, and gives the answers.
async fn many(client: &mut Client, command: &Value, count: usize) -> Vec<Value> {
    for id in 0..count {
        let mut command = command.clone();
        command["id"] = json!(id);
        client.send(command).await;
    }
    let mut answers = Vec::new();
    while answers.len() < count {
        let message = client.next().await;
        if message.get("id").is_some_and(Value::is_number) {
            answers.push(message);
        }
    }
    answers
}

fn refused(answers: &[Value], code: u16) -> usize {
    answers.iter().filter(|answer| answer["code"] == code).count()
}

#[tokio::test]
async fn a_flood_of_commands_is_refused_and_then_closed() {
    let node = start(|config| config.limits.commands_per_second = 5);
    let (mut flooding, mut other) = (Client::connect(&node).await, Client::connect(&node).await);
    for _ in 0..200 {
        // It may be closed before all of it is sent.
        let ping = Message::text(r#"{"action":"ping","id":1}"#);
        if futures_util::SinkExt::send(&mut flooding.socket, ping)
            .await
            .is_err()
        {
            break;
        }
    }
    let (mut pongs, mut errors) = (0, 0);
    let code = loop {
        match flooding.message().await {
            Message::Text(text) if text.contains("\"pong\"") => pongs += 1,
            Message::Text(text) => {
                assert!(
                    text.contains("\"code\":107") && text.contains("\"temporary\":true"),
                    "{text}"
                );
                errors += 1;
            }
            Message::Close(Some(close)) => break u16::from(close.code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 3504);
    assert!(pongs >= 10 && errors > 10, "{pongs} and {errors}");
    assert_unharmed(&mut other).await;
    assert_counted(
        &node,
        "tidegate_commands_total{action=\"ping\",outcome=\"too_many_requests\"}",
    )
    .await;
    assert_counted(&node, "tidegate_connections_closed_total{code=\"3504\"}").await;
}

#[tokio::test]
async fn more_handshakes_than_allowed_are_told_to_come_back() {
    let node = start(|config| config.limits.handshakes_per_second = 1);
    let mut inside = Client::connect(&node).await;
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("GET /ws HTTP/1.1\r\nhost: {}\r\n{upgrade}\r\n", node.client);
    let sockets = join_all((0..30).map(|_| ask(node.client, &request))).await;
    let refused: Vec<_> = sockets.iter().filter(|answer| answer.status == 429).collect();
    assert!(refused.len() > 3, "{sockets:?}");
    refused[0].problem(429, 107);
    assert!(refused[0].headers.contains_key("retry-after"));
    assert_unharmed(&mut inside).await;
    assert_counted(&node, "tidegate_connections_rejected_total{reason=\"rate\"}").await;
}

#[tokio::test]
async fn each_client_publishes_so_much_in_a_namespace_and_backends_as_they_like() {
    let mut chat = Namespace::new("chat");
    chat.publishes_per_second = 2;
    let node = start(|config| config.namespaces = Namespaces::new(Namespace::new("default"), [chat]));
    let (mut busy, mut other) = (Client::connect(&node).await, Client::connect(&node).await);
    let publish = |topic: &str| json!({"action": "publish", "topic": topic, "data": 1});
    let answers = many(&mut busy, &publish("chat:1"), 60).await;
    assert!(refused(&answers, 107) > 10, "{answers:?}");
    assert!(answers.iter().any(|answer| answer["type"] == "published"));
    assert_eq!(refused(&many(&mut busy, &publish("elsewhere"), 60).await, 107), 0);
    assert_eq!(other.call(publish("chat:1")).await["type"], "published");
    for _ in 0..10 {
        let answer = node
            .post("/api/publish", &json!({"topic": "chat:1", "data": 1}))
            .await;
        assert_eq!(answer.status, 200);
    }
    assert_counted(
        &node,
        "tidegate_commands_total{action=\"publish\",outcome=\"too_many_requests\"}",
    )
    .await;
}

#[tokio::test]
async fn a_node_listens_to_so_many_topics() {
    let node = start(|config| config.limits.topics = 1);
    let (mut first, mut second) = (Client::connect(&node).await, Client::connect(&node).await);
    let subscribe = |topic: &str| json!({"action": "subscribe", "topic": topic});
    assert_eq!(first.call(subscribe("a")).await["type"], "subscribed");
    let answer = second.call(subscribe("b")).await;
    assert_eq!(
        (&answer["code"], &answer["temporary"]),
        (&json!(106), &json!(false))
    );
    assert_eq!(second.call(subscribe("a")).await["type"], "subscribed");
    assert_counted(
        &node,
        "tidegate_commands_total{action=\"subscribe\",outcome=\"limit_exceeded\"}",
    )
    .await;
}

#[tokio::test]
async fn what_is_nested_too_deeply_is_refused_before_anybody_parses_it() {
    let node = start(|_| {});
    let mut client = Client::connect(&node).await;
    for depth in [65, 5_000] {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let command = format!(r#"{{"action":"publish","topic":"a","id":1,"data":{data}}}"#);
        futures_util::SinkExt::send(&mut client.socket, Message::text(command))
            .await
            .expect("sent");
        assert_eq!(client.next().await["code"], 103);
        let body = format!(
            r#"{{"topic":"a","data":{}{data}{}}}"#,
            "[".repeat(4),
            "]".repeat(4)
        );
        node.post_text("/api/publish", &body).await.problem(400, 103);
    }
    let deepest = format!("{}{}", "[".repeat(64), "]".repeat(64));
    let body = format!(r#"{{"topic":"a","data":{deepest}}}"#);
    assert_eq!(node.post_text("/api/publish", &body).await.status, 200);
    assert_unharmed(&mut client).await;
    assert_counted(
        &node,
        "tidegate_commands_total{action=\"publish\",outcome=\"bad_request\"}",
    )
    .await;
    assert_counted(&node, "tidegate_requests_refused_total{code=\"bad_request\"}").await;
}

#[tokio::test]
async fn a_user_has_so_many_jobs_that_have_not_ended() {
    let mut config = tokens::config(true);
    config.limits.jobs_per_user = 1;
    let backend: Backend = Store::new(config.namespaces.clone()).open();
    let node = Node::start_on(backend, config, Options::default());
    let submit = json!({"action": "submit", "job": {"type": "x", "data": 1}, "follow": false});
    let mut clients = Vec::new();
    for user in ["ann", "ann", "bob"] {
        let mut client = Client::connect(&node).await;
        let auth = json!({"action": "auth", "token": tokens::token(user, 600.0)});
        assert_eq!(client.call(auth).await["type"], "authenticated");
        clients.push(client);
    }
    assert_eq!(clients[0].call(submit.clone()).await["type"], "submitted");
    assert_eq!(clients[1].call(submit.clone()).await["code"], 107);
    assert_eq!(clients[2].call(submit).await["type"], "submitted");
    let by_api = json!({"type": "x", "data": 1, "user": "ann"});
    assert_eq!(node.post("/api/jobs", &by_api).await.status, 202);
    assert_counted(
        &node,
        "tidegate_commands_total{action=\"submit\",outcome=\"too_many_requests\"}",
    )
    .await;
}

#[tokio::test]
async fn heads_and_bodies_have_their_sizes() {
    let node = start(|config| {
        config.limits.head = 4_096;
        config.limits.body = Some(2_048);
    });
    let mut wire = Wire::connect(node.client).await;
    let long = "x".repeat(5_000);
    wire.send(format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n"))
        .await;
    assert_eq!(wire.answer().await.map(|answer| answer.status), Some(431));
    let body = json!({"topic": "a", "data": "x".repeat(2_048)});
    node.post("/api/publish", &body).await.problem(413, 114);
    assert_counted(&node, "tidegate_connections_rejected_total{reason=\"head\"}").await;
    assert_counted(
        &node,
        "tidegate_requests_refused_total{code=\"payload_too_large\"}",
    )
    .await;
    let fits = format!(
        "GET /api/info HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nx: {}\r\n\r\n",
        "x".repeat(3_000)
    );
    assert_eq!(ask(node.client, fits).await.status, 200);
}
