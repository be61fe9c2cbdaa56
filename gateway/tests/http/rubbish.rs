//! Requests that no client library sends. None of them may hang, or end the process.

use std::time::Duration;

use tidegate_gateway::Options;

use crate::node::{KEY, Node, config};
use crate::wire::{Wire, get};

const BODY: &str = r#"{"topic":"a","data":1}"#;

/// Sends it and gives the status of the answer; `None` if the connection just ended.
async fn status(node: &Node, request: impl AsRef<[u8]>) -> Option<u16> {
    let mut wire = Wire::connect(node.client).await;
    wire.send(request).await;
    wire.answer().await.map(|answer| answer.status)
}

/// The node goes on as if nothing had been.
async fn assert_serves(node: &Node) {
    assert_eq!(node.post_text("/api/publish", BODY).await.status, 200);
    assert_eq!(get(node.admin, "/livez").await.status, 200);
}

fn post(headers: &str, rest: &str) -> String {
    format!("POST /api/publish HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n{headers}\r\n{rest}")
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let node = Node::start();
    for rubbish in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n bad: fold\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let status = status(&node, rubbish).await;
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{status:?} for {:?}",
            String::from_utf8_lossy(rubbish)
        );
    }
    assert_serves(&node).await;
}

#[tokio::test]
async fn a_giant_head_is_refused() {
    let node = Node::start();
    let giant = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let status_of_giant = status(&node, giant).await;
    assert!(matches!(status_of_giant, None | Some(431)), "{status_of_giant:?}");
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(5_000));
    let status_of_many = status(&node, many).await;
    assert!(matches!(status_of_many, None | Some(431)), "{status_of_many:?}");
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000));
    let status_of_long = status(&node, long).await;
    assert!(
        matches!(status_of_long, None | Some(404 | 414 | 431)),
        "{status_of_long:?}"
    );
    assert_serves(&node).await;
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_refused() {
    let node = Node::start();
    for headers in [
        "content-length: 22\r\ncontent-length: 23\r\n",
        "content-length: 22, 23\r\n",
        "content-length: -1\r\n",
        "content-length: 0x16\r\n",
        "content-length: 99999999999999999999999999\r\n",
        "transfer-encoding: gzip\r\n",
    ] {
        let status = status(&node, post(headers, BODY)).await;
        assert!(
            matches!(status, None | Some(400 | 413 | 501)),
            "{status:?} for {headers}"
        );
    }
    assert_serves(&node).await;
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_no_second_request() {
    let node = Node::start();
    let mut wire = Wire::connect(node.client).await;
    let smuggled = "GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    wire.send(post(
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        &format!("16\r\n{BODY}\r\n0\r\n\r\n{smuggled}"),
    ))
    .await;
    // By chunks there are two requests, by length one and rubbish; the connection must not go on to
    // answer as if the length had counted.
    match wire.answer().await {
        None => {}
        Some(first) => assert!(matches!(first.status, 200 | 400), "{first:?}"),
    }
    assert_serves(&node).await;
}

#[tokio::test]
async fn chunked_bodies_are_read_and_broken_ones_refused() {
    let node = Node::start();
    let chunked = |body: &str| post("transfer-encoding: chunked\r\n", body);
    let whole = chunked(&format!("16\r\n{BODY}\r\n0\r\n\r\n"));
    assert_eq!(status(&node, whole).await, Some(200));
    for broken in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}xx0\r\n\r\n",
    ] {
        let status = status(&node, chunked(broken)).await;
        assert!(
            matches!(status, None | Some(400 | 413)),
            "{status:?} for {broken}"
        );
    }
    let endless = chunked(&format!("4000\r\n{}\r\n", "x".repeat(0x4000)).repeat(8));
    assert_eq!(status(&node, endless).await, Some(413));
    assert_serves(&node).await;
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let node = Node::start();
    assert_eq!(
        status(&node, post("content-length: 10000000\r\n", "")).await,
        Some(413)
    );
    let cautious = post("content-length: 10000000\r\nexpect: 100-continue\r\n", "");
    assert_eq!(status(&node, cautious).await, Some(413));
}

#[tokio::test]
async fn a_client_that_expects_to_be_asked_is_asked_for_its_body() {
    let node = Node::start();
    let mut wire = Wire::connect(node.client).await;
    wire.send(post("content-length: 22\r\nexpect: 100-continue\r\n", ""))
        .await;
    assert_eq!(wire.answer().await.map(|answer| answer.status), Some(100));
    wire.send(BODY).await;
    assert_eq!(wire.answer().await.map(|answer| answer.status), Some(200));
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let mut config = config();
    config.limits.handshake_timeout = Duration::from_millis(300);
    let node = Node::start_with(config, Options::default());
    let mut wire = Wire::connect(node.client).await;
    wire.send(post("content-length: 22\r\n", "{\"topic\"")).await;
    let answer = wire.answer().await.expect("an answer");
    answer.problem(408, 113);
    wire.closed().await;
    assert_serves(&node).await;
}

#[tokio::test]
async fn a_slow_head_is_given_up() {
    let mut config = config();
    config.limits.handshake_timeout = Duration::from_millis(300);
    let node = Node::start_with(config, Options::default());
    for start in ["", "GET /api/openapi.json HTTP/1.1\r\nhost:"] {
        let mut wire = Wire::connect(node.client).await;
        wire.send(start).await;
        wire.closed().await;
    }
    let metrics = get(node.admin, "/metrics").await.text();
    assert!(
        metrics.contains("tidegate_connections_rejected_total{reason=\"slow\"} 2\n"),
        "{metrics}"
    );
    assert_serves(&node).await;
}

#[tokio::test]
async fn a_body_that_ends_early_does_nothing() {
    let node = Node::start();
    {
        let mut wire = Wire::connect(node.client).await;
        wire.send(post("content-length: 22\r\n", "{\"topic\":\"a\""))
            .await;
    }
    let answer = node.post_text("/api/publish", BODY).await.json();
    assert_eq!(answer["offset"], 1);
}

#[tokio::test]
async fn requests_may_follow_each_other_without_waiting() {
    let node = Node::start();
    let mut wire = Wire::connect(node.client).await;
    let one = post("content-length: 22\r\n", BODY);
    wire.send(one.repeat(3)).await;
    for offset in 1..=3 {
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.json()["offset"], offset);
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let node = Node::start();
    let mut wire = Wire::connect(node.client).await;
    wire.send("GET /api/openapi.json HTTP/1.0\r\n\r\n").await;
    assert_eq!(wire.answer().await.map(|answer| answer.status), Some(200));
    wire.closed().await;
}

#[tokio::test]
async fn a_target_in_absolute_form_is_its_path() {
    let node = Node::start();
    let absolute = "GET http://x/api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(status(&node, absolute).await, Some(200));
    for odd in [
        "*",
        "x:443",
        "//api/publish",
        "/../api/publish",
        "/api/%2e%2e/publish",
        "/%00",
    ] {
        for method in ["GET", "OPTIONS", "CONNECT"] {
            let status = status(&node, format!("{method} {odd} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
            assert!(
                status.is_none_or(|status| (400..500).contains(&status)),
                "{status:?} for {method} {odd}"
            );
        }
    }
    assert_serves(&node).await;
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let node = Node::start();
    for (head, expected) in [
        ("GET /api/openapi.json HTTP/1.1\r\n\r\n", 400),
        (
            "GET /api/openapi.json HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            400,
        ),
        ("GET /api/openapi.json HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        ("GET /api/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n", 200),
    ] {
        assert_eq!(status(&node, head).await, Some(expected), "{head}");
    }
}
