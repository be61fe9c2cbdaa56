//! Servers that are slow, endless, or no servers.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use bytes::Bytes;
use serde_json::json;
use tidegate_shared::job::JobState;
use tidegate_worker::{WebhookHandler, try_out};
use tokio_stream::StreamExt;

use crate::server::{handler, rubbish, serve};

async fn error(handler: WebhookHandler, url: String) -> String {
    let record = try_out(handler, json!({ "url": url }))
        .await
        .expect("a trial")
        .record;
    assert_eq!(record.state, JobState::Failed);
    record.error.expect("a message")
}

/// An answer that repeats one piece for ever.
async fn endless(kind: &'static str, piece: String) -> String {
    let piece = Bytes::from(piece);
    let router = Router::new().route(
        "/",
        post(async move || {
            let pieces = tokio_stream::iter(std::iter::repeat_with(move || {
                Ok::<_, std::io::Error>(piece.clone())
            }));
            ([("content-type", kind)], Body::from_stream(pieces))
        }),
    );
    serve(router).await
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    for kind in ["text/plain", "application/x-ndjson"] {
        // Without any line's end.
        let text = error(handler(), endless(kind, "x".repeat(32 * 1024)).await).await;
        assert!(text.contains("the answer has more than"), "{text}");
    }
    // Progress, and many empty lines.
    let lines = format!("{{\"percent\":5}}{}", "\n".repeat(32 * 1024));
    let text = error(handler(), endless("application/x-ndjson", lines).await).await;
    assert!(text.contains("the answer has more than"), "{text}");
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    for answer in [
        &b""[..],
        b"\0\0\0\0",
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"HTTP/1.1 9999 no\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ] {
        let text = error(handler(), rubbish(answer.to_vec()).await).await;
        assert!(
            text.starts_with("the exchange with the server broke off"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(200_000));
    let text = error(handler(), rubbish(head.into_bytes()).await).await;
    assert!(
        text.starts_with("the exchange with the server broke off"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let patience = Duration::from_millis(300);
    let silent = Router::new()
        .route("/never", post(async || std::future::pending::<()>().await))
        .route(
            "/half",
            post(async || {
                let first = tokio_stream::once(Ok::<_, std::io::Error>(Bytes::from("half")));
                Body::from_stream(first.chain(tokio_stream::pending()))
            }),
        );
    let url = serve(silent).await;
    for path in ["never", "half"] {
        let text = error(handler().patience(patience), format!("{url}/{path}")).await;
        assert_eq!(text, "the server said nothing for 300ms");
    }
}

#[tokio::test]
async fn a_certificate_is_asked_of_a_server_that_says_it_is_secure() {
    // What answers there speaks no TLS.
    let url = rubbish(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let text = error(handler(), url.replace("http://", "https://")).await;
    assert!(text.starts_with("no secure connection can be made"), "{text}");
}
