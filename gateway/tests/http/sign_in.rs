//! Clients that get their token from the gateway, and show it by their first message.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::config::{Config, Password, Secret, User};
use tidegate_shared::name::UserId;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::node::Node;
use crate::tokens;
use crate::wire::{Answer, DEADLINE, ask};

const AUTHENTICATED: &str = r#"{"status":"success","message":"Authenticated successfully"}"#;

fn config() -> Config {
    let mut config = tokens::config(false);
    config.auth.users = vec![User {
        name: UserId::parse("admin").expect("valid"),
        password: Password::Plain(Secret::new("of + admin")),
    }];
    config
}

fn start() -> Node {
    Node::start_with(config(), Options::default())
}

async fn sign_in(node: &Node, form: &str) -> Answer {
    let head = format!(
        "POST /bedrock/auth/token HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n",
        node.client
    );
    ask(
        node.client,
        format!("{head}content-length: {}\r\n\r\n{form}", form.len()),
    )
    .await
}

/// As some clients do.
async fn sign_in_by_json(node: &Node, body: &Value) -> Answer {
    let (body, host) = (body.to_string(), node.client);
    let head = "POST /bedrock/auth/token HTTP/1.1\r\ncontent-type: application/json; charset=utf-8";
    let length = body.len();
    ask(
        node.client,
        format!("{head}\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n{body}"),
    )
    .await
}

async fn get(node: &Node, path: &str, header: &str) -> Answer {
    let head = format!(
        "GET /bedrock/auth/{path} HTTP/1.1\r\nhost: {}\r\n{header}\r\n",
        node.client
    );
    ask(node.client, head).await
}

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// The status within if the handshake is refused.
    async fn connect(node: &Node, query: &str, cookie: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{}/bedrock/ws{query}", node.client)
            .into_client_request()
            .expect("a request");
        if let Some(cookie) = cookie {
            let headers = request.headers_mut();
            headers.insert("cookie", cookie.parse().expect("a header"));
            let own = format!("http://{}", node.client);
            headers.insert("origin", own.parse().expect("a header"));
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    async fn ask(&mut self, message: Value) -> String {
        let text = Message::text(message.to_string());
        self.0.send(text).await.expect("sent");
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    async fn next(&mut self) -> Message {
        let message = tokio::time::timeout(DEADLINE, self.0.next()).await;
        message.expect("in time").expect("not ended").expect("no error")
    }

    /// It is closed with 1008, with nothing told before.
    async fn turned_away(mut self, message: Option<&str>) {
        if let Some(message) = message {
            self.0.send(Message::text(message)).await.expect("sent");
        }
        match self.next().await {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1008),
            other => panic!("{other:?}"),
        }
    }
}

fn authenticate(token: &str) -> Value {
    json!({"action": "authenticate", "token": token})
}

#[tokio::test]
async fn who_shows_no_token_in_the_handshake_says_who_it_is_first() {
    let node = start();
    let token = tokens::token("admin", 60.0);
    let mut client = Client::connect(&node, "", None).await.expect("let in");
    assert_eq!(client.ask(authenticate(&token)).await, AUTHENTICATED);
    let subscribed = client
        .ask(json!({"action": "subscribe", "topic": "event:after_backup"}))
        .await;
    assert!(subscribed.contains("success"), "{subscribed}");
    assert_eq!(
        Client::connect(&node, "?token=rubbish", None).await.err(),
        Some(403)
    );
    let expired = tokens::token("admin", -60.0);
    let query = format!("?token={expired}");
    assert_eq!(Client::connect(&node, &query, None).await.err(), Some(403));
}

#[tokio::test]
async fn who_says_anything_else_first_or_nothing_in_time_is_closed_with_1008() {
    let node = start();
    let subscribe = r#"{"action":"subscribe","topic":"event:after_backup"}"#;
    let wrong = authenticate("rubbish").to_string();
    for first in [subscribe, "no JSON", r#"{"action":"authenticate"}"#, &wrong] {
        let client = Client::connect(&node, "", None).await.expect("let in");
        client.turned_away(Some(first)).await;
    }
    let silent = Client::connect(&node, "", None).await.expect("let in");
    silent.turned_away(None).await;
}

#[tokio::test]
async fn a_page_of_the_gateways_own_may_show_the_cookie_and_a_bad_one_is_as_good_as_none() {
    let node = start();
    let cookie = |token: &str| format!("access_token_cookie={token}");
    let good = cookie(&tokens::token("admin", 60.0));
    let mut client = Client::connect(&node, "", Some(&good)).await.expect("let in");
    assert_eq!(client.ask(json!({"action": "authenticate"})).await, AUTHENTICATED);
    let mut client = Client::connect(&node, "", Some(&cookie("old")))
        .await
        .expect("let in");
    let token = tokens::token("admin", 60.0);
    assert_eq!(client.ask(authenticate(&token)).await, AUTHENTICATED);
}

#[tokio::test]
async fn a_password_is_worth_a_token_and_a_token_another_one() {
    let node = start();
    let answer = sign_in(&node, "grant_type=password&username=admin&password=of+%2B+admin").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let by_json = sign_in_by_json(&node, &json!({"username": "admin", "password": "of + admin"})).await;
    assert_eq!(by_json.status, 200, "{}", by_json.text());
    let told = answer.json();
    assert_eq!(
        (&told["token_type"], &told["message"]),
        (&json!("bearer"), &json!("Successfully authenticated."))
    );
    let token = told["access_token"].as_str().expect("a token");
    let cookie = &answer.headers["set-cookie"];
    assert!(
        cookie.starts_with(&format!(
            "access_token_cookie={token}; HttpOnly; Max-Age=2419200;"
        )),
        "{cookie}"
    );
    let mut client = Client::connect(&node, &format!("?token={token}"), None)
        .await
        .expect("let in");
    assert!(
        client
            .ask(json!({"action": "x", "topic": "y"}))
            .await
            .contains("Unknown action")
    );
    for header in [
        format!("authorization: Bearer {token}\r\n"),
        format!("cookie: a=b; access_token_cookie={token}\r\n"),
    ] {
        let answer = get(&node, "refresh-token", &header).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json()["access_token"].is_string());
        assert_eq!(get(&node, "logout", &header).await.status, 200);
    }
}

#[tokio::test]
async fn who_is_no_user_gets_no_token() {
    let node = start();
    for form in [
        "username=admin&password=wrong",
        "username=nobody&password=of+%2B+admin",
    ] {
        let answer = sign_in(&node, form).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json(), json!({"detail": "Incorrect username or password"}));
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    assert_eq!(sign_in(&node, "username=admin&password=").await.status, 422);
    assert_eq!(sign_in(&node, "").await.status, 422);
    let stranger = tokens::token("stranger", 60.0);
    for header in [
        String::new(),
        "authorization: Bearer rubbish\r\n".to_owned(),
        format!("authorization: Bearer {stranger}\r\n"),
    ] {
        let answer = get(&node, "refresh-token", &header).await;
        assert_eq!(
            (answer.status, answer.json()),
            (401, json!({"detail": "Not authenticated"}))
        );
    }
    let mut last = 0;
    for guess in 0..60 {
        last = sign_in(&node, &format!("username=admin&password={guess}"))
            .await
            .status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "guesses are limited");
}

#[tokio::test]
async fn a_page_of_somebody_elses_cannot_sign_its_user_in() {
    let node = start();
    let answer = ask(
        node.client,
        format!(
            "POST /bedrock/auth/token HTTP/1.1\r\nhost: {}\r\norigin: https://evil.example\r\ncontent-length: 0\r\n\r\n",
            node.client
        ),
    )
    .await;
    assert_eq!(answer.status, 403);
}
