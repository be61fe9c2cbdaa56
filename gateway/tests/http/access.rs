//! Who may use `/api`, and what a browser is told to leave alone.

use serde_json::json;
use tidegate_gateway::Options;

use crate::node::{Node, config};
use crate::wire::{ask, get};

#[tokio::test]
async fn without_a_known_key_nothing_can_be_learnt() {
    let node = Node::start();
    for path in [
        "/api/publish",
        "/api/jobs/x",
        "/api/nowhere",
        "/api/broadcast",
        "/api",
        "/api/",
    ] {
        for header in [
            "",
            "authorization: Bearer wrong\r\n",
            "x-api-key: \r\n",
            "authorization: Basic eA==\r\n",
        ] {
            let answer = ask(
                node.client,
                format!("GET {path} HTTP/1.1\r\nhost: x\r\n{header}\r\n"),
            )
            .await;
            answer.problem(401, 101);
            assert!(answer.headers["www-authenticate"].starts_with("Bearer"));
            assert!(!answer.headers.contains_key("allow"), "not even the methods");
            assert!(!answer.text().contains("wrong"), "a key is never repeated");
        }
    }
}

#[tokio::test]
async fn without_keys_the_api_says_how_to_open_it() {
    let mut config = config();
    config.auth.api_keys.clear();
    let node = Node::start_with(config, Options::default());
    let detail = node
        .post("/api/publish", &json!({"topic": "a", "data": 1}))
        .await
        .problem(401, 101);
    assert!(detail.contains("api_keys"), "{detail}");
}

#[tokio::test]
async fn opened_on_loopback_it_serves_programs_and_its_own_page_but_no_other_page() {
    let mut config = config();
    config.auth.api_keys.clear();
    let options = Options {
        open_api_on_loopback: true,
        ..Options::default()
    };
    let node = Node::start_with(config, options);
    let body = r#"{"topic":"a","data":1}"#;
    let own = node.client;
    let port = own.port();
    for (headers, status) in [
        (format!("host: {own}\r\n"), 200),
        (format!("host: localhost:{port}\r\n"), 200),
        (format!("host: {own}\r\norigin: http://{own}\r\n"), 200),
        (format!("host: {own}\r\norigin: http://evil.example\r\n"), 401),
        (format!("host: {own}\r\norigin: null\r\n"), 401),
        (format!("host: {own}\r\nsec-fetch-site: cross-site\r\n"), 401),
        (format!("host: evil.example:{port}\r\n"), 401),
        (
            format!("host: evil.example:{port}\r\norigin: http://evil.example:{port}\r\n"),
            401,
        ),
        (format!("host: {own}\r\nx-forwarded-for: 192.0.2.1\r\n"), 401),
        (format!("host: {own}\r\ncontent-type: text/plain\r\n"), 415),
    ] {
        let request = format!(
            "POST /api/publish HTTP/1.1\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = ask(node.client, request).await;
        assert_eq!(answer.status, status, "{headers}: {}", answer.text());
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn answers_are_hardened_against_browsers() {
    let node = Node::start();
    let published = node.post("/api/publish", &json!({"topic": "a", "data": 1})).await;
    for answer in [
        published,
        node.call("GET", "/api/nowhere").await,
        get(node.client, "/nowhere").await,
    ] {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.headers[name], value);
        }
    }
}
