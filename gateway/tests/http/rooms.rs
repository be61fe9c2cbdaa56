//! How many clients may come: of one user, and from one address, which a trusted proxy tells.

use serde_json::json;
use tidegate_gateway::Options;
use tidegate_shared::config::{Config, Password, Secret, User};
use tidegate_shared::name::UserId;

use crate::client::Client;
use crate::node::{self, Node};
use crate::stream::Stream;
use crate::wire::{ask, get};

const EVENTS: &str = "/events?topic=a";

fn forwarded(address: &str) -> String {
    format!("x-forwarded-for: {address}\r\n")
}

async fn refused(node: &Node, header: &str, reason: &str) {
    let request = format!("GET {EVENTS} HTTP/1.1\r\nhost: {}\r\n{header}\r\n", node.client);
    ask(node.client, request).await.problem(403, 106);
    let metrics = get(node.admin, "/metrics").await.text();
    let line = format!("tidegate_connections_rejected_total{{reason=\"{reason}\"}} 1\n");
    assert!(metrics.contains(&line), "{metrics}");
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_others_are_not_concerned() {
    let text = "[gateway]\ntrusted_proxies = [\"127.0.0.1\"]";
    let mut config = node::config();
    config.gateway.trusted_proxies = Config::parse("x", text).expect("fine").gateway.trusted_proxies;
    config.limits.connections_per_address = 2;
    let node = Node::start_with(config, Options::default());
    let one = forwarded("192.0.2.1");
    let first = Stream::open(&node, EVENTS, &one).await;
    let _second = Stream::open(&node, EVENTS, &one).await;
    refused(&node, &one, "address").await;
    let _other = Stream::open(&node, EVENTS, &forwarded("192.0.2.1, 192.0.2.2")).await;
    drop(first);
    while !get(node.admin, "/metrics")
        .await
        .text()
        .contains("tidegate_connections 2\n")
    {
        tokio::task::yield_now().await;
    }
    let _third = Stream::open(&node, EVENTS, &one).await;
}

#[tokio::test]
async fn a_forged_address_is_not_believed() {
    let mut config = node::config();
    config.limits.connections_per_address = 1;
    let node = Node::start_with(config, Options::default());
    let _first = Stream::open(&node, EVENTS, &forwarded("192.0.2.1")).await;
    refused(&node, &forwarded("192.0.2.2"), "address").await;
}

#[tokio::test]
async fn a_user_has_so_many_connections_however_it_became_that_user() {
    let mut config = node::config();
    config.limits.connections_per_user = 1;
    config.auth.users = vec![User {
        name: UserId::parse("bob").expect("valid"),
        password: Password::Plain(Secret::new("of bob")),
    }];
    let node = Node::start_with(config, Options::default());
    let login = json!({"action": "auth", "user": "bob", "password": "of bob"});
    let mut first = Client::connect(&node).await;
    assert_eq!(first.call(login.clone()).await["type"], "authenticated");
    // bob:of bob
    refused(&node, "authorization: Basic Ym9iOm9mIGJvYg==\r\n", "user").await;
    let mut second = Client::connect(&node).await;
    second.send(login).await;
    let code = loop {
        if let tokio_tungstenite::tungstenite::Message::Close(Some(close)) = second.message().await {
            break u16::from(close.code);
        }
    };
    assert_eq!(code, 3503);
    assert_eq!(first.call(json!({"action": "ping"})).await["type"], "pong");
}
