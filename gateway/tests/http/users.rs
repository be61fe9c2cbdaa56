//! Users with a password of the configuration: over a connection, and over HTTP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::config::{Config, Password, Secret, User};
use tidegate_shared::name::UserId;

use crate::client::Client;
use crate::node::{self, Node};
use crate::stream::Stream;
use crate::wire::{Answer, ask};

/// Of the password `password`, as the reference implementation gives it; cheaper than any should be.
const HASH: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

fn config(anonymous: bool) -> Config {
    let mut config = node::config();
    for endpoint in &mut config.endpoints {
        endpoint.anonymous = anonymous;
    }
    let user = |name: &str, password| User {
        name: UserId::parse(name).expect("valid"),
        password,
    };
    config.auth.users = vec![
        user("ann", Password::Hash(Secret::new(HASH))),
        user("bob", Password::Plain(Secret::new("of bob"))),
    ];
    config
}

fn basic(name: &str, password: &str) -> String {
    let text = STANDARD.encode(format!("{name}:{password}"));
    format!("authorization: Basic {text}\r\n")
}

async fn events(node: &Node, header: &str) -> Answer {
    let request = format!(
        "GET /events?topic=user:ann HTTP/1.1\r\nhost: {}\r\n{header}\r\n",
        node.client
    );
    ask(node.client, request).await
}

#[tokio::test]
async fn a_client_becomes_a_user_by_a_password_and_what_it_sent_after_it_waits() {
    let node = Node::start_with(config(true), Options::default());
    let mut client = Client::connect(&node).await;
    let login = |id: u8, user: &str, password: &str| json!({"id": id, "action": "auth", "user": user, "password": password});
    for (id, user, password) in [(1, "ann", "of bob"), (2, "nobody", "password"), (3, "ann", "")] {
        let refused = client.ask(login(id, user, password)).await;
        assert_eq!((&refused["id"], &refused["code"]), (&json!(id), &json!(101)));
        assert_eq!(refused["message"], "name or password is wrong");
    }
    client.send(login(4, "ann", "password")).await;
    client
        .send(json!({"id": 5, "action": "history", "topic": "user:ann"}))
        .await;
    let known = client.next().await;
    assert_eq!(
        (&known["id"], &known["type"], &known["user"]),
        (&json!(4), &json!("authenticated"), &json!("ann"))
    );
    assert_eq!(known.get("expires_at"), None, "a password does not expire");
    let mut seen = [client.next().await, client.next().await];
    seen.sort_by_key(|one| one["type"].as_str().map(str::to_owned));
    assert_eq!((&seen[0]["type"], &seen[0]["id"]), (&json!("history"), &json!(5)));
    assert_eq!(
        (&seen[1]["type"], &seen[1]["topic"]),
        (&json!("subscribed"), &json!("user:ann"))
    );
    assert_eq!(
        client.ask(login(6, "bob", "of bob")).await["code"],
        101,
        "it stays who it is"
    );
}

#[tokio::test]
async fn a_password_counts_on_event_streams_and_handshakes() {
    let node = Node::start_with(config(false), Options::default());
    let mut stream = Stream::open(&node, "/events?topic=user:ann", &basic("ann", "password")).await;
    assert_eq!(stream.next().await["user"], "ann");
    for header in [
        basic("ann", "wrong"),
        basic("nobody", "password"),
        "authorization: Basic ???\r\n".into(),
        String::new(),
    ] {
        let answer = events(&node, &header).await;
        answer.problem(401, 101);
        assert!(answer.headers["www-authenticate"].starts_with("Basic realm="));
    }
    events(&node, &basic("bob", "of bob")).await.problem(403, 102);
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";
    let handshake = |header: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n{key}{header}\r\n",
            node.client
        )
    };
    let refused = ask(node.client, handshake(&basic("ann", "wrong"))).await;
    refused.problem(401, 101);
}

#[tokio::test]
async fn who_tries_many_passwords_is_told_to_wait() {
    let node = Node::start_with(config(false), Options::default());
    let mut last = 0;
    for guess in 0..60 {
        last = events(&node, &basic("ann", &guess.to_string())).await.status;
        if last == 429 {
            break;
        }
        assert_eq!(last, 401);
    }
    assert_eq!(last, 429);
    let told = events(&node, &basic("ann", "password")).await;
    told.problem(429, 107);
    assert!(told.headers.contains_key("retry-after"));
    assert!(!told.text().contains("YW5u"));
}

#[tokio::test]
async fn where_there_are_no_users_a_password_is_somebody_elses() {
    let node = Node::start();
    let mut stream = Stream::open(&node, "/events?topic=a", &basic("ann", "password")).await;
    assert_eq!(stream.next().await["user"], Value::Null);
    let mut client = Client::connect(&node).await;
    let refused = client
        .ask(json!({"id": 1, "action": "auth", "user": "ann", "password": "x"}))
        .await;
    assert_eq!(refused["code"], 101);
    assert!(
        refused["message"]
            .as_str()
            .is_some_and(|text| text.contains("[[auth.users]]"))
    );
}
