//! What clients may do, over each way that leads to a topic or a job. Every row of the table of rules is
//! tested where it is decided; here is that all ways lead past it.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::config::{Config, Jwt, Secret};
use tidegate_shared::embedded::Store;
use tidegate_shared::namespace::{Access, Namespace, Namespaces};

use crate::client::Client;
use crate::node::{self, Node};
use crate::stream::Stream;
use crate::wire::get;

const SECRET: &str = "a secret for these tests, of 32 bytes and more";

/// With tokens and anonymous clients; closed but for the namespace `lobby`, which anyone may follow, and
/// `room`, where tokens decide.
fn config() -> Config {
    let mut config = node::config();
    config.auth.jwt = Some(Jwt {
        secret: Some(Secret::new(SECRET)),
        ..Jwt::default()
    });
    let mut lobby = Namespace::new("lobby");
    lobby.subscribe = Access::Anyone;
    lobby.presence = true;
    let mut room = Namespace::new("room");
    (room.subscribe, room.history) = (Access::Token, Access::Token);
    config.namespaces = Namespaces::new(Namespace::new("default"), [lobby, room]);
    config
}

fn closed(config: Config) -> Node {
    let backend = Store::new(config.namespaces.clone()).open();
    Node::start_closed(backend, config, Options::default())
}

fn token(user: &str, grants: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let claims = json!({"sub": user, "exp": now.as_secs() + 600, "tidegate": grants});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).expect("signed")
}

async fn user(node: &Node, name: &str, grants: &Value) -> Client {
    let mut client = Client::connect(node).await;
    let known = client
        .call(json!({"action": "auth", "token": token(name, grants)}))
        .await;
    assert_eq!(known["type"], "authenticated", "{known}");
    client
}

async fn submit(client: &mut Client, key: Option<&str>) -> Value {
    let job = json!({"type": "x", "data": 1, "key": key});
    client
        .call(json!({"action": "submit", "job": job, "follow": false}))
        .await
}

#[tokio::test]
async fn every_command_is_asked_whether_it_may() {
    let node = closed(config());
    let mut nobody = Client::connect(&node).await;
    let mut ann = user(&node, "ann", &Value::Null).await;
    let patterns = json!({"subscribe": ["room:*"], "publish": ["room:1", "news"]});
    let mut bob = user(&node, "bob", &patterns).await;
    let on = |action: &str, topic: &str| json!({"action": action, "topic": topic, "data": 1, "key": "k", "value": 1});
    for (command, may) in [
        (on("subscribe", "lobby:1"), [true, true, true]),
        (on("subscribe", "room:1"), [false, false, true]),
        (on("subscribe", "room:1:x"), [false, false, false]),
        (on("subscribe", "news"), [false, true, true]),
        (on("history", "news"), [false, true, true]),
        (on("history", "room:1"), [false, false, true]),
        (on("publish", "news"), [false, false, true]),
        (on("publish", "room:2"), [false, false, false]),
        (on("set", "room:2"), [false, false, false]),
        (on("remove", "lobby:1"), [false, false, false]),
        (on("presence", "lobby:1"), [false, true, true]),
        (on("subscribe", "jobs:default"), [false, false, false]),
        (on("subscribe", "user:carl"), [false, false, false]),
    ] {
        for (client, may) in [&mut nobody, &mut ann, &mut bob].into_iter().zip(may) {
            let answer = client.call(command.clone()).await;
            assert_eq!(answer["code"] != 102, may, "{command}: {answer}");
            assert!(may || answer["type"] == "error", "{answer}");
        }
    }
    let mut other = Client::connect(&node).await;
    let lists = json!({"action": "subscribe", "topic": "lobby:2", "presence": true});
    assert_eq!(other.call(lists).await["code"], 102, "nor by the back door");
}

#[tokio::test]
async fn a_job_is_its_users_and_nobody_learns_whether_it_exists() {
    let node = closed(config());
    let mut nobody = Client::connect(&node).await;
    let mut ann = user(&node, "ann", &Value::Null).await;
    let mut bob = user(&node, "bob", &json!({"subscribe": ["**"], "publish": ["**"]})).await;
    assert_eq!(submit(&mut nobody, None).await["code"], 102);
    let submitted = submit(&mut ann, Some("once")).await;
    let id = submitted["job"]["id"].as_str().expect("an id").to_owned();
    let missing = format!("{}{}", &id[..id.len() - 32], "0123456789abcdef0123456789abcdef");
    let commands = |id: &str| {
        [
            json!({"action": "subscribe", "topic": format!("job:{id}")}),
            json!({"action": "history", "topic": format!("job:{id}")}),
            json!({"action": "cancel", "job": id}),
        ]
    };
    for client in [&mut nobody, &mut bob] {
        for (real, unreal) in commands(&id).into_iter().zip(commands(&missing)) {
            let (real, unreal) = (client.call(real).await, client.call(unreal).await);
            assert_eq!(real["code"], 102, "{real}");
            assert_eq!(
                real.to_string().replace(&id, "X"),
                unreal.to_string().replace(&missing, "X")
            );
        }
    }
    assert_eq!(
        submit(&mut bob, Some("once")).await["code"],
        110,
        "a key is no way to it"
    );
    assert_eq!(submit(&mut ann, Some("once")).await["job"]["id"], id.as_str());
    for command in commands(&id) {
        let answer = ann.call(command).await;
        assert_ne!(answer["type"], "error", "{answer}");
    }
    for command in commands(&missing) {
        assert_eq!(ann.call(command).await["code"], 102);
    }
}

#[tokio::test]
async fn event_streams_are_asked_as_connections_are() {
    let node = closed(config());
    let (ann, bob) = (
        token("ann", &Value::Null),
        token("bob", &json!({"subscribe": ["room:*"]})),
    );
    let mut client = user(&node, "ann", &Value::Null).await;
    let submitted = submit(&mut client, None).await;
    let id = submitted["job"]["id"].as_str().expect("an id");
    let missing = format!("{}{}", &id[..id.len() - 32], "0123456789abcdef0123456789abcdef");
    for (path, may) in [
        ("/events?topic=lobby:1&x=1".to_owned(), [true, true, true]),
        ("/events?topic=room:1".into(), [false, false, true]),
        ("/events?topic=lobby:1&topic=room:1".into(), [false, false, true]),
        ("/events?topic=news".into(), [false, true, true]),
        (format!("/events?topic=job:{id}"), [false, true, false]),
        (format!("/events?topic=job:{missing}"), [false, false, false]),
        (format!("/api/jobs/{id}/events?x=1"), [false, true, false]),
        (format!("/api/jobs/{missing}/events?x=1"), [false, false, false]),
    ] {
        for (token, may) in [None, Some(&ann), Some(&bob)].into_iter().zip(may) {
            let path = token.map_or_else(|| path.clone(), |token| format!("{path}&token={token}"));
            if may {
                let mut stream = Stream::open(&node, &path, "").await;
                assert_eq!(stream.next().await["type"], "welcome");
                assert_eq!(stream.next().await["type"], "subscribed", "{path}");
            } else {
                get(node.client, &path).await.problem(403, 102);
            }
        }
    }
    let real = get(node.client, &format!("/api/jobs/{id}/events")).await.text();
    let unreal = get(node.client, &format!("/api/jobs/{missing}/events"))
        .await
        .text();
    assert_eq!(real.replace(id, "X"), unreal.replace(&missing, "X"));
    get(node.client, &format!("/api/jobs/{id}"))
        .await
        .problem(401, 101);
    get(node.client, "/api/jobs/x/events").await.problem(401, 101);
}

#[tokio::test]
async fn the_api_asks_nobody_and_may_subscribe_whom_it_likes() {
    let node = closed(config());
    let mut nobody = Client::connect(&node).await;
    let body = json!({"session": nobody.session, "topic": "room:1"});
    assert_eq!(node.post("/api/subscribe", &body).await.status, 200);
    assert_eq!(nobody.next().await["type"], "subscribed");
    let published = node
        .post("/api/publish", &json!({"topic": "room:1", "data": 7}))
        .await;
    assert_eq!(published.status, 200);
    assert_eq!(nobody.next().await["data"], 7);
    let job = node
        .post("/api/jobs", &json!({"type": "x", "data": 1}))
        .await
        .json();
    let path = format!("/api/jobs/{}/events", job["id"].as_str().expect("an id"));
    let mut stream = Stream::open(&node, &path, &format!("x-api-key: {}\r\n", node::KEY)).await;
    assert_eq!(stream.next().await["type"], "welcome");
    assert_eq!(stream.next().await["snapshot"]["state"], "queued");
}
