//! What a server gets, and what its answer does.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tidegate_shared::job::{JobState, TIMED_OUT};
use tidegate_worker::{Trial, try_out};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::server::{SECRET, handler, serve};
use crate::support::{Bench, Running, result};

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// Keeps what came, and answers nothing but 204.
async fn recorder() -> (Seen, String) {
    let seen = Seen::default();
    let keep = Arc::clone(&seen);
    let router = Router::new().route(
        "/hook",
        post(async move |headers: HeaderMap, body: Bytes| {
            keep.lock().push((headers, body));
            StatusCode::NO_CONTENT
        }),
    );
    (seen, serve(router).await)
}

#[tokio::test]
async fn the_body_arrives_as_it_was_written_with_a_signature_that_can_be_checked() {
    let (seen, url) = recorder().await;
    let input = json!({
        "url": format!("{url}/hook?a=b"),
        "body": { "n": 1.50, "text": "ü" },
        "headers": { "Authorization": "Bearer x", "X-Other": "y" },
    });
    let trial = try_out(handler(), &input).await.expect("a trial");
    assert_eq!(result(&trial.record), Value::Null);
    let (headers, body) = seen.lock().pop().expect("a request");
    assert_eq!(&*body, input["body"].to_string().as_bytes());
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    };
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("authorization"), "Bearer x");
    assert_eq!(header("idempotency-key"), trial.record.id.as_str());
    assert_eq!(header("tidegate-attempt"), "1");
    assert!(url.ends_with(header("host")), "{headers:?}");
    let (time, signature) = header("tidegate-signature").split_once(',').expect("two parts");
    let time = time.strip_prefix("t=").expect("a time");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = ring::hmac::sign(&key, &[time.as_bytes(), b".", &body].concat());
    let mut expected = String::from("v1=");
    for byte in signed.as_ref() {
        write!(expected, "{byte:02x}").expect("a string takes it");
    }
    assert_eq!(signature, expected);
    let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(time.parse().expect("seconds"));
    assert!(
        sent.elapsed().is_ok_and(|age| age < Duration::from_secs(60)),
        "{time}"
    );
}

#[tokio::test]
async fn without_a_body_the_job_is_sent() {
    let (seen, url) = recorder().await;
    let trial = try_out(handler(), json!({ "url": format!("{url}/hook") }))
        .await
        .expect("a trial");
    let (_, body) = seen.lock().pop().expect("a request");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        (
            &body["id"],
            &body["type"],
            &body["queue"],
            &body["attempt"],
            &body["user"]
        ),
        (
            &json!(trial.record.id),
            &json!("webhook"),
            &json!("default"),
            &json!(1),
            &Value::Null
        )
    );
}

#[tokio::test]
async fn what_a_server_answers_is_the_result() {
    let answer = async |kind: &'static str, body: &'static [u8]| {
        let router = Router::new().route(
            "/",
            post(async move || ([("content-type", kind)], Body::from(body))),
        );
        let url = serve(router).await;
        result(
            &try_out(handler(), json!({ "url": url }))
                .await
                .expect("a trial")
                .record,
        )
    };
    assert_eq!(
        answer("application/json", b"{\n \"a\": 1\n}").await,
        json!({ "a": 1 })
    );
    assert_eq!(answer("text/html", b"fine \xff").await, json!("fine \u{fffd}"));
    assert_eq!(
        answer("application/json", br#"{"message":"no progress"}"#).await,
        json!({ "message": "no progress" }),
        "only lines are progress"
    );
    let lines = b"{\"percent\":1}\r\n\n{\"rows\":7}\n{\"percent\":100}";
    assert_eq!(
        answer("application/x-ndjson; charset=utf-8", lines).await,
        json!({ "rows": 7 })
    );
    assert_eq!(
        answer("application/jsonl", b"{\"percent\":1}\n").await,
        Value::Null
    );
    assert_eq!(answer("application/x-ndjson", b"\xff\n").await, json!("\u{fffd}"));
}

/// A server whose only answer is what is sent here.
async fn spoken() -> (mpsc::Sender<Result<Bytes, std::io::Error>>, String) {
    let (sender, receiver) = mpsc::channel(4);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let router = Router::new().route(
        "/",
        post(async move || {
            let receiver = receiver.lock().take().expect("one request");
            let kind = [("content-type", "application/x-ndjson")];
            (kind, Body::from_stream(ReceiverStream::new(receiver)))
        }),
    );
    (sender, serve(router).await)
}

#[tokio::test]
async fn lines_are_progress_while_the_server_still_works() {
    let (sender, url) = spoken().await;
    let bench = Bench::new();
    let worker = tidegate_worker::Worker::builder(bench.backend.clone())
        .register(handler())
        .build();
    let worker = Running::start(worker.expect("a worker"));
    let id = bench.submit("webhook", json!({ "url": url })).await;
    let say = async |text: &'static str| sender.send(Ok(text.into())).await.expect("it listens");
    // A line in two pieces, the next not begun.
    say("{\"percent\":30,\"mess").await;
    say("age\":\"a third\",\"progress\":{\"rows\":3}}\n").await;
    let record = bench.until(&id, |record| record.percent.is_some()).await;
    assert_eq!(
        (record.state, record.message.as_deref()),
        (JobState::Running, Some("a third"))
    );
    assert_eq!(record.progress.expect("typed").as_str(), r#"{"rows":3}"#);
    say("{\"message\":\"nearly\"}\n[1,2]").await;
    drop(sender);
    let record = bench.ended(&id).await;
    assert_eq!(result(&record), json!([1, 2]));
    assert_eq!(record.message.as_deref(), Some("nearly"));
    worker.stop().await;
}

#[tokio::test]
async fn the_connection_of_a_cancelled_job_is_closed() {
    let (sender, url) = spoken().await;
    sender.send(Ok("{\"percent\":1}\n".into())).await.expect("room");
    let input = json!({ "url": url });
    let trial = Trial::of(handler())
        .attempts(3)
        .cancel_when(|record| record.percent.is_some());
    let (trial, ()) = tokio::join!(trial.run(input), sender.closed());
    let record = trial.expect("a trial").record;
    assert_eq!((record.state, record.attempt), (JobState::Cancelled, 1));
}

#[tokio::test]
async fn a_job_that_is_out_of_time_waits_for_no_answer() {
    let (sender, url) = spoken().await;
    let trial = Trial::of(handler()).timeout(Duration::from_millis(300));
    let (trial, ()) = tokio::join!(trial.run(json!({ "url": url })), sender.closed());
    assert_eq!(trial.expect("a trial").record.error.as_deref(), Some(TIMED_OUT));
}
