//! How a node ends.

use std::time::Duration;

use serde_json::json;
use tidegate_gateway::Options;

use crate::node::{KEY, Node, config};
use crate::wire::{DEADLINE, Wire, ask};

#[tokio::test]
async fn an_idle_node_ends_at_once_and_frees_its_ports() {
    let node = Node::start();
    let (client, admin, shutdown) = (node.client, node.admin, node.shutdown.clone());
    assert_eq!(
        node.post("/api/publish", &json!({"topic": "a", "data": 1}))
            .await
            .status,
        200
    );
    shutdown.cancel();
    assert!(node.ended().await.is_ok());
    for address in [client, admin] {
        let connecting = tokio::net::TcpStream::connect(address).await;
        assert!(connecting.is_err(), "{address} still takes connections");
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_node_ends() {
    let node = Node::start();
    let shutdown = node.shutdown.clone();
    let mut wire = Wire::connect(node.client).await;
    let body = r#"{"topic":"a","data":1}"#;
    wire.send(format!(
        "POST /api/publish HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    ))
    .await;
    // The handler is now waiting for the body.
    assert_eq!(wire.answer().await.map(|answer| answer.status), Some(100));
    shutdown.cancel();
    wire.send(body).await;
    let answer = wire.answer().await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["offset"]), (200, &json!(1)));
    assert!(node.ended().await.is_ok());
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_node() {
    let node = Node::start();
    let mut idle = Wire::connect(node.client).await;
    let mut used = Wire::connect(node.client).await;
    used.send("GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert_eq!(used.answer().await.map(|answer| answer.status), Some(200));
    node.shutdown.cancel();
    let started = std::time::Instant::now();
    assert!(node.ended().await.is_ok());
    assert!(
        started.elapsed() < DEADLINE / 2,
        "it took {:?}",
        started.elapsed()
    );
    idle.closed().await;
    used.closed().await;
}

#[tokio::test]
async fn a_draining_node_is_not_ready_but_takes_clients_for_its_grace() {
    let mut config = config();
    config.drain.grace = Duration::from_secs(2);
    let node = Node::start_with(config, Options::default());
    let (client, admin) = (node.client, node.admin);
    let began = std::time::Instant::now();
    node.shutdown.cancel();
    let probe = || async {
        let answer = ask(admin, format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\n\r\n")).await;
        answer.status
    };
    let unready = async {
        while probe().await != 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, unready).await.expect("it says so");
    let publication = json!({"topic": "a", "data": 1});
    assert_eq!(node.post("/api/publish", &publication).await.status, 200);
    assert!(node.ended().await.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert!(tokio::net::TcpStream::connect(client).await.is_err());
}
