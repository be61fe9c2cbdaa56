//! Endpoints: from a request to a connection of the node, and out again.

use axum::Router;
use axum::routing::get as on_get;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tidegate_gateway::Options;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::node::{Node, config};
use crate::wire::{DEADLINE, ask, get};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(node: &Node) -> Client {
    let (client, _) = connect_async(format!("ws://{}/ws", node.client))
        .await
        .expect("connects");
    client
}

async fn next(client: &mut Client) -> Message {
    let message = tokio::time::timeout(DEADLINE, client.next())
        .await
        .expect("in time");
    message.expect("not ended").expect("no error")
}

async fn next_json(client: &mut Client) -> Value {
    let Message::Text(text) = next(client).await else {
        panic!("no text");
    };
    serde_json::from_str(&text).expect("JSON")
}

/// A handshake with further headers.
fn handshake(node: &Node, headers: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
        headers.replace("HERE", &node.client.to_string())
    )
}

async fn metric(node: &Node, name: &str) -> String {
    let text = get(node.admin, "/metrics").await.text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("tidegate_{name} ")));
    line.unwrap_or_else(|| panic!("{name} is not there")).to_owned()
}

#[tokio::test]
async fn a_client_is_welcomed_and_counted() {
    let node = Node::start();
    let mut client = connect(&node).await;
    let welcome = next_json(&mut client).await;
    assert_eq!(welcome["type"], "welcome");
    assert_eq!(metric(&node, "connections").await, "1");
    assert_eq!(metric(&node, "handshake_duration_seconds_count").await, "1");
}

#[tokio::test]
async fn a_draining_node_sends_its_clients_away_and_ends() {
    let node = Node::start();
    let mut client = connect(&node).await;
    assert_eq!(next_json(&mut client).await["type"], "welcome");
    node.shutdown.cancel();
    let goaway = next_json(&mut client).await;
    assert_eq!(goaway["type"], "goaway");
    assert!(goaway["reconnect_after_ms"].is_number(), "{goaway}");
    let Message::Close(Some(close)) = next(&mut client).await else {
        panic!("no close frame with a code");
    };
    assert_eq!(u16::from(close.code), 1012);
    assert!(client.next().await.is_none_or(|end| end.is_err()));
    assert!(node.ended().await.is_ok());
}

#[tokio::test]
async fn clients_that_do_not_go_are_cut() {
    let node = Node::start();
    // Reads nothing, so it never answers the close frame.
    let mut deaf = Vec::new();
    for _ in 0..3 {
        deaf.push(connect(&node).await);
    }
    node.shutdown.cancel();
    assert!(node.ended().await.is_ok());
}

#[tokio::test]
async fn a_page_may_connect_if_it_is_the_gateways_own_or_configured() {
    let mut config = config();
    config.gateway.allowed_origins = vec!["https://app.example".into()];
    let node = Node::start_with(config, Options::default());
    for (headers, status) in [
        ("host: HERE\r\n", 101),
        ("host: HERE\r\norigin: http://HERE\r\n", 101),
        ("host: HERE\r\norigin: https://app.example\r\n", 101),
        (
            "host: gateway.example\r\norigin: https://gateway.example\r\n",
            101,
        ),
        ("host: HERE\r\norigin: https://evil.example\r\n", 403),
        ("host: HERE\r\norigin: null\r\n", 403),
        (
            "host: HERE\r\norigin: http://HERE\r\norigin: http://HERE\r\n",
            403,
        ),
    ] {
        let answer = ask(node.client, handshake(&node, headers)).await;
        assert_eq!(answer.status, status, "{headers}: {}", answer.text());
    }
    let rejected = metric(&node, r#"connections_rejected_total{reason="origin"}"#).await;
    assert_eq!(rejected, "3");
}

#[tokio::test]
async fn opened_on_loopback_a_rebound_name_is_not_the_gateways_own() {
    let options = Options {
        open_api_on_loopback: true,
        ..Options::default()
    };
    let node = Node::start_with(config(), options);
    let rebound = "host: evil.example\r\norigin: http://evil.example\r\n";
    assert_eq!(ask(node.client, handshake(&node, rebound)).await.status, 403);
    let own = "host: HERE\r\norigin: http://HERE\r\n";
    assert_eq!(ask(node.client, handshake(&node, own)).await.status, 101);
}

#[tokio::test]
async fn a_plain_request_is_told_what_the_endpoint_speaks() {
    let node = Node::start();
    let answer = get(node.client, "/ws").await;
    answer.problem(426, 103);
    assert_eq!(answer.headers["upgrade"], "websocket");
    assert_eq!(
        metric(&node, r#"connections_rejected_total{reason="handshake"}"#).await,
        "1"
    );
}

#[tokio::test]
async fn connections_over_the_limit_are_told_to_come_back() {
    let mut config = config();
    config.limits.connections = 2;
    let node = Node::start_with(config, Options::default());
    let first = connect(&node).await;
    let _second = connect(&node).await;
    let answer = get(node.client, "/api/openapi.json").await;
    answer.problem(503, 108);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(
        metric(&node, r#"connections_rejected_total{reason="limit"}"#).await,
        "1"
    );
    drop(first);
    let retrying = async {
        while get(node.client, "/api/openapi.json").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, retrying)
        .await
        .expect("a place is free again");
}

#[tokio::test]
async fn extra_routes_are_served_and_one_that_panics_hurts_only_its_request() {
    async fn broken() -> &'static str {
        panic!("a bug");
    }
    let routes = Router::new()
        .route("/", on_get(|| async { "a page" }))
        .route(
            "/ws",
            on_get(|| async { "never seen: the endpoint has the path" }),
        )
        .route("/broken", on_get(broken));
    let options = Options {
        routes: Some(routes),
        ..Options::default()
    };
    let node = Node::start_with(config(), options);
    assert_eq!(get(node.client, "/").await.text(), "a page");
    assert_eq!(get(node.client, "/ws").await.status, 426);
    get(node.client, "/nowhere").await.problem(404, 111);
    assert_eq!(get(node.client, "/broken").await.status, 500);
    let published = node.post("/api/publish", &json!({"topic": "a", "data": 1})).await;
    assert_eq!(published.status, 200);
}
