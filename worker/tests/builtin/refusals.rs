//! What a webhook does not do, and servers that refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::post;
use serde_json::{Value, json};
use tidegate_shared::config;
use tidegate_shared::job::{JobRecord, JobState};
use tidegate_worker::{Trial, WebhookHandler, try_out};

use crate::server::{handler, serve};

/// A route that counts how often it was called.
async fn counter() -> (Arc<AtomicUsize>, String) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let router = Router::new()
        .route(
            "/target",
            post(async move || count.fetch_add(1, Ordering::SeqCst).to_string()),
        )
        .route("/redirect", post(async || Redirect::temporary("/target")))
        .route("/moved", post(async || Redirect::permanent("/target")));
    (calls, serve(router).await)
}

async fn failed(handler: WebhookHandler, input: Value) -> (String, JobRecord) {
    let trial = Trial::of(handler).attempts(2).run(input).await;
    let record = trial.expect("a trial").record;
    assert_eq!(record.state, JobState::Failed, "{:?}", record.result);
    (record.error.clone().expect("a message"), record)
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_whatever_name_leads_there() {
    let (calls, url) = counter().await;
    let port = url.rsplit_once(':').expect("a port").1;
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let handler = WebhookHandler::new(&config::Webhook::default());
        let url = format!("http://{host}:{port}/target");
        let (error, record) = failed(handler, json!({ "url": url })).await;
        assert_eq!(record.attempt, 1, "another attempt would be refused as well");
        assert!(
            error.contains("not public") && error.contains("allow_private"),
            "{host}: {error}"
        );
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    let trial = try_out(handler(), json!({ "url": format!("{url}/target") })).await;
    assert_eq!(
        trial.expect("a trial").record.state,
        JobState::Succeeded,
        "where it is allowed"
    );
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (calls, url) = counter().await;
    for path in ["redirect", "moved"] {
        let (error, _) = failed(handler(), json!({ "url": format!("{url}/{path}") })).await;
        assert!(error.contains("30"), "{error}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_refusal_is_told_with_a_little_of_its_text_and_only_a_temporary_one_is_tried_again() {
    for status in [400, 401, 404, 409, 410, 422, 408, 425, 429, 500, 502, 503] {
        let code = StatusCode::from_u16(status).expect("a status");
        let router = Router::new().route(
            "/",
            post(async move || (code, format!("\x1b[1mwhy not{}", "!".repeat(5_000)))),
        );
        let (error, record) = failed(handler(), json!({ "url": serve(router).await })).await;
        let again = matches!(status, 408 | 425 | 429 | 500..);
        assert_eq!(record.attempt, if again { 2 } else { 1 }, "{status}");
        assert!(
            error.contains(&status.to_string()) && error.contains("why not!"),
            "{error}"
        );
        assert!(error.len() < 700 && !error.contains('\x1b'), "{error:?}");
    }
}

#[tokio::test]
async fn errors_tell_no_secrets() {
    let (_, url) = counter().await;
    let hidden = "hunter2hunter2";
    for input in [
        json!({ "url": format!("http://user:{hidden}@127.0.0.1/") }),
        json!({ "url": format!("{url}/{hidden}") }),
        json!({ "url": format!("http://127.0.0.1:1/{hidden}") }),
        json!({ "url": format!("{url}/target"), "headers": { "x": format!("{hidden}\n") } }),
        json!({ "url": format!("{url}/target"), "headers": { "host": hidden } }),
    ] {
        let (error, _) = failed(handler(), input).await;
        assert!(!error.contains(hidden), "{error}");
    }
}

#[tokio::test]
async fn a_server_may_say_when_to_come_back() {
    let router = Router::new().route(
        "/",
        post(async || (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3600")])),
    );
    let trial = Trial::of(handler()).attempts(2);
    // It waits for an hour, unless somebody cancels it.
    let trial = trial.cancel_when(|record| record.run_at.is_some());
    let trial = trial
        .run(json!({ "url": serve(router).await }))
        .await
        .expect("a trial");
    let due = trial
        .log
        .iter()
        .find_map(|record| record.run_at.zip(record.started_at));
    assert!(
        due.is_some_and(|(due, started)| due - started >= 3_600_000),
        "{due:?}"
    );
}
