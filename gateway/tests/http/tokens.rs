//! Who comes in with a token, what it is worth, and when it ends.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::config::{Config, Jwt, Secret};
use tidegate_shared::embedded::Store;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::node::{self, Node};
use crate::wire::DEADLINE;

const SECRET: &str = "a secret for these tests, of 32 bytes and more";

/// A configuration with tokens, and whether clients may come without.
pub(crate) fn config(anonymous: bool) -> Config {
    let mut config = node::config();
    for endpoint in &mut config.endpoints {
        endpoint.anonymous = anonymous;
    }
    config.auth.jwt = Some(Jwt {
        secret: Some(Secret::new(SECRET)),
        leeway: std::time::Duration::ZERO,
        ..Jwt::default()
    });
    config
}

/// A token of `user` that ends so many seconds from now.
pub(crate) fn token(user: &str, from_now: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let claims = json!({"sub": user, "exp": now.as_secs_f64() + from_now});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).expect("signed")
}

pub(crate) fn request(node: &Node, query: &str) -> Request {
    format!("ws://{}/ws{query}", node.client)
        .into_client_request()
        .expect("a request")
}

pub(crate) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn connect(request: Request) -> Result<Self, u16> {
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    async fn message(&mut self) -> Message {
        let message = tokio::time::timeout(DEADLINE, self.0.next()).await;
        message.expect("in time").expect("not ended").expect("no error")
    }

    pub(crate) async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) async fn ask(&mut self, command: Value) -> Value {
        let message = Message::text(command.to_string());
        self.0.send(message).await.expect("sent");
        self.next().await
    }
}

#[tokio::test]
async fn a_token_counts_wherever_it_stands_and_names_the_user() {
    let node = Node::start_with(config(false), Options::default());
    let ann = token("ann", 60.0);
    let mut with_header = request(&node, "");
    let header = format!("Bearer {ann}").parse().expect("a header");
    with_header.headers_mut().insert("authorization", header);
    let mut with_cookie = request(&node, "");
    let cookie = format!("a=b; tidegate_token={ann}").parse().expect("a header");
    with_cookie.headers_mut().insert("cookie", cookie);
    let own = format!("http://{}", node.client).parse().expect("a header");
    with_cookie.headers_mut().insert("origin", own);
    for request in [request(&node, &format!("?token={ann}")), with_header, with_cookie] {
        let mut client = Client::connect(request).await.expect("let in");
        assert_eq!(client.next().await["user"], "ann");
        let inbox = client.next().await;
        assert_eq!(
            (&inbox["type"], &inbox["topic"], &inbox["id"]),
            (&json!("subscribed"), &json!("user:ann"), &Value::Null)
        );
    }
}

#[tokio::test]
async fn without_a_token_that_counts_the_handshake_is_refused() {
    let (closed, open) = (
        Node::start_with(config(false), Options::default()),
        Node::start_with(config(true), Options::default()),
    );
    let expired = format!("?token={}", token("ann", -5.0));
    for (node, query, status) in [
        (&closed, "", Some(401)),
        (&closed, expired.as_str(), Some(401)),
        (&closed, "?token=rubbish", Some(401)),
        (&open, "", None),
        (&open, expired.as_str(), Some(401)),
        (&open, "?token=rubbish", Some(401)),
    ] {
        let refused = Client::connect(request(node, query)).await.err();
        assert_eq!(refused, status, "{query:?}");
    }
    closed.call("GET", "/events?topic=a").await.problem(401, 101);
    closed
        .call("GET", &format!("/events{expired}&topic=a"))
        .await
        .problem(401, 109);
}

#[tokio::test]
async fn an_inbox_is_heard_on_every_node_and_by_its_user_alone() {
    let (config, store) = (config(true), Store::new(config(true).namespaces.clone()));
    let start = || Node::start_on(store.open(), config.clone(), Options::default());
    let (here, there) = (start(), start());
    let mut clients = Vec::new();
    for (node, user) in [(&here, "ann"), (&there, "ann"), (&there, "bob")] {
        let query = format!("?token={}", token(user, 60.0));
        let mut client = Client::connect(request(node, &query)).await.expect("let in");
        client.next().await;
        client.next().await;
        clients.push(client);
    }
    let body = json!({"topic": "user:ann", "data": {"for": "ann"}});
    assert_eq!(here.post("/api/publish", &body).await.status, 200);
    for client in &mut clients[..2] {
        assert_eq!(client.next().await["data"], json!({"for": "ann"}));
    }
    let subscribe = json!({"id": 1, "action": "subscribe", "topic": "user:ann"});
    let refused = clients[2].ask(subscribe.clone()).await;
    assert_eq!((&refused["id"], &refused["code"]), (&json!(1), &json!(102)));
    let history = json!({"id": 2, "action": "history", "topic": "user:ann"});
    assert_eq!(clients[2].ask(history).await["code"], 102);
    let mut nobody = Client::connect(request(&here, "")).await.expect("let in");
    nobody.next().await;
    assert_eq!(nobody.ask(subscribe).await["code"], 102);
    here.call("GET", "/events?topic=user:ann").await.problem(403, 102);
    let gone = here.post("/api/disconnect", &json!({"user": "ann"})).await.json();
    assert_eq!(gone["connections"], 2);
}

#[tokio::test]
async fn a_client_says_who_it_is_later_and_stays_who_it_is() {
    let node = Node::start_with(config(true), Options::default());
    let mut client = Client::connect(request(&node, "")).await.expect("let in");
    assert_eq!(client.next().await["user"], Value::Null);
    let auth = |id: u8, token: &str| json!({"id": id, "action": "auth", "token": token});
    for (id, bad) in [(1, "rubbish"), (2, token("ann", -5.0).as_str())] {
        let refused = client.ask(auth(id, bad)).await;
        assert_eq!((&refused["id"], &refused["code"]), (&json!(id), &json!(101)));
    }
    let known = client.ask(auth(3, &token("ann", 60.0))).await;
    assert_eq!(
        (&known["type"], &known["user"]),
        (&json!("authenticated"), &json!("ann"))
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    assert!(known["expires_at"].as_u64().expect("a time") > u64::try_from(now.as_millis()).expect("fits"));
    assert_eq!(client.next().await["topic"], "user:ann");
    let again = client.ask(auth(4, &token("ann", 90.0))).await;
    assert_eq!(again["type"], "authenticated", "nothing is announced twice");
    assert_eq!(client.ask(auth(5, &token("bob", 60.0))).await["code"], 101);
    assert_eq!(
        client.ask(json!({"id": 6, "action": "ping"})).await["type"],
        "pong"
    );
}

#[tokio::test]
async fn a_connection_ends_with_its_token_after_a_notice_unless_another_comes() {
    let node = Node::start_with(config(false), Options::default());
    let query = format!("?token={}", token("ann", 2.0));
    let mut ending = Client::connect(request(&node, &query)).await.expect("let in");
    let mut going_on = Client::connect(request(&node, &query)).await.expect("let in");
    for client in [&mut ending, &mut going_on] {
        client.next().await;
        client.next().await;
    }
    let fresh = json!({"id": 1, "action": "auth", "token": token("ann", 60.0)});
    assert_eq!(going_on.ask(fresh).await["type"], "authenticated");
    let notice = ending.next().await;
    assert_eq!((&notice["type"], &notice["code"]), (&json!("error"), &json!(109)));
    let Message::Close(Some(close)) = ending.message().await else {
        panic!("no close frame");
    };
    assert_eq!(u16::from(close.code), 3502);
    assert_eq!(
        going_on.ask(json!({"id": 2, "action": "ping"})).await["type"],
        "pong"
    );
}

#[tokio::test]
async fn a_cookie_counts_only_for_pages_that_are_named() {
    let mut config = config(false);
    config.gateway.allowed_origins = vec!["https://app.example.com".into(), "*".into()];
    let node = Node::start_with(config, Options::default());
    let ann = token("ann", 60.0);
    for (headers, may) in [
        (&[("origin", "https://app.example.com")][..], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null")], false),
    ] {
        let mut request = request(&node, "");
        let cookie = format!("tidegate_token={ann}").parse().expect("a header");
        request.headers_mut().insert("cookie", cookie);
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, value.parse().expect("a header"));
        }
        let refused = Client::connect(request).await.err();
        assert_eq!(refused, (!may).then_some(401), "{headers:?}");
    }
}
