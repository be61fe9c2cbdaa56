//! Event streams: `/events` and a job's events, as a browser or curl sees them.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::embedded::Store;

use crate::node::{KEY, Node, config};
use crate::stream::Stream;
use crate::wire::{DEADLINE, ask, get};

async fn publish(node: &Node, topic: &str, data: Value) {
    let answer = node
        .post("/api/publish", &json!({"topic": topic, "data": data}))
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_stream_says_where_it_begins_and_brings_what_is_published() {
    let node = Node::start();
    let mut stream = Stream::open(&node, "/events?topic=news", "").await;
    for header in [
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-store",
        "x-accel-buffering: no",
    ] {
        assert!(stream.head.contains(header), "{}", stream.head);
    }
    let welcome = stream.next().await;
    assert_eq!(welcome["type"], "welcome");
    let retry = stream.retry.expect("a retry");
    assert!((1_000..=2_000).contains(&retry), "{retry}");
    let subscribed = stream.next().await;
    assert_eq!(subscribed["type"], "subscribed");
    assert_eq!(
        (&subscribed["topic"], &subscribed["offset"]),
        (&json!("news"), &json!(0))
    );
    assert_eq!(subscribed.get("recovered"), None);
    publish(&node, "news", json!({"x": 1})).await;
    let message = stream.next().await;
    assert_eq!(message["type"], "message");
    assert_eq!(
        (&message["data"], &message["offset"]),
        (&json!({"x": 1}), &json!(1))
    );
    assert!(stream.id.starts_with("1."), "{}", stream.id);
    let metrics = get(node.admin, "/metrics").await.text();
    assert!(metrics.contains("tidegate_connections 1\n"), "{metrics}");
    assert!(metrics.contains("tidegate_connections_accepted_total{dialect=\"sse\"} 1\n"));
    drop(stream);
    let gone = async {
        while !get(node.admin, "/metrics")
            .await
            .text()
            .contains("tidegate_connections 0\n")
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone)
        .await
        .expect("it is noticed that the client went");
}

#[tokio::test]
async fn one_cursor_resumes_every_topic_after_its_position() {
    let node = Node::start();
    let mut stream = Stream::follow(&node, "topic=a&topic=b&topic=c", "").await;
    for _ in 0..3 {
        assert_eq!(stream.next().await["type"], "subscribed");
    }
    for (topic, data) in [("a", 1), ("b", 1), ("a", 2)] {
        publish(&node, topic, json!(data)).await;
        assert_eq!(stream.next().await["data"], data);
    }
    let id = stream.id.clone();
    drop(stream);
    for (topic, data) in [("c", 1), ("a", 3), ("b", 2), ("a", 4)] {
        publish(&node, topic, json!(data)).await;
    }
    // In another order: the cursor knows which position is whose.
    let mut stream = Stream::follow(&node, "topic=c&topic=b&topic=a", &id).await;
    let mut seen = Vec::new();
    for _ in 0..7 {
        let event = stream.next().await;
        if event["type"] == "subscribed" {
            assert_eq!(event["recovered"], true, "{event}");
        } else {
            seen.push((
                event["topic"].as_str().expect("a topic").to_owned(),
                event["offset"].clone(),
            ));
        }
    }
    let expected = [("c", 1), ("b", 2), ("a", 3), ("a", 4)];
    assert_eq!(
        seen,
        expected.map(|(topic, offset)| (topic.to_owned(), json!(offset)))
    );
    let id = stream.id.clone();
    drop(stream);
    let mut stream = Stream::follow(&node, "topic=a&topic=b&topic=c", &id).await;
    for _ in 0..3 {
        let event = stream.next().await;
        assert_eq!(
            (&event["type"], &event["recovered"]),
            (&json!("subscribed"), &json!(true))
        );
    }
    publish(&node, "b", json!("new")).await;
    assert_eq!(stream.next().await["data"], "new");
}

#[tokio::test]
async fn a_client_that_is_cut_between_the_events_of_a_batch_gets_each_once() {
    let node = Node::start();
    let mut stream = Stream::follow(&node, "topic=a&topic=b", "").await;
    stream.next().await;
    stream.next().await;
    let commands: Vec<_> = (0..40)
        .map(|n| json!({"publish": {"topic": if n % 3 == 0 { "a" } else { "b" }, "data": n}}))
        .collect();
    for command in &commands {
        publish(
            &node,
            command["publish"]["topic"].as_str().expect("a topic"),
            command["publish"]["data"].clone(),
        )
        .await;
    }
    let mut seen = Vec::new();
    while seen.len() < commands.len() {
        let event = stream.next().await;
        if event["type"] == "subscribed" {
            assert_eq!(event["recovered"], true, "{event}");
            continue;
        }
        seen.push(event["data"].as_u64().expect("a number"));
        // The client goes away after what it has got, whatever else is under way.
        let id = stream.id.clone();
        stream = Stream::follow(&node, "topic=a&topic=b", &id).await;
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_that_leads_nowhere_begins_anew_and_says_so() {
    let node = Node::start();
    publish(&node, "a", json!(1)).await;
    let mut other = Stream::follow(&node, "topic=b", "").await;
    other.next().await;
    let foreign = other.id.clone();
    for id in ["rubbish", "1.AAAA", &foreign, &"x".repeat(9_000)] {
        let mut stream = Stream::follow(&node, "topic=a", id).await;
        let subscribed = stream.next().await;
        assert_eq!(subscribed["recovered"], false, "{subscribed}");
        assert_eq!(subscribed["offset"], 1);
    }
    let path = format!("/events?topic=a&last_event_id={foreign}");
    let mut stream = Stream::open(&node, &path, "").await;
    stream.next().await;
    assert_eq!(stream.next().await["recovered"], false);
}

#[tokio::test]
async fn payloads_with_line_ends_stay_one_event() {
    let node = Node::start();
    let mut stream = Stream::follow(&node, "topic=a", "").await;
    stream.next().await;
    let answer = node
        .post_text(
            "/api/publish",
            "{\"topic\":\"a\",\"data\":{\"x\":\r\n\r\n\"y\\n\"}}",
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(stream.next().await["data"], json!({"x": "y\n"}));
}

#[tokio::test]
async fn an_idle_stream_has_a_heartbeat() {
    let mut config = config();
    config.sse.heartbeat = Duration::from_millis(100);
    let node = Node::start_with(config, Options::default());
    let mut stream = Stream::follow(&node, "topic=a", "").await;
    stream.next().await;
    assert_eq!(stream.until("\n\n").await.as_deref(), Some(": \n\n"));
    assert_eq!(stream.until("\n\n").await.as_deref(), Some(": \n\n"));
}

#[tokio::test]
async fn a_node_that_ends_tells_its_streams_when_to_come_back() {
    let node = Node::start();
    let mut stream = Stream::follow(&node, "topic=a", "").await;
    stream.next().await;
    node.shutdown.cancel();
    let goaway = stream.next().await;
    assert_eq!(
        (&goaway["type"], &goaway["reason"]),
        (&json!("goaway"), &json!("shutdown"))
    );
    assert!(stream.retry.is_some_and(|time| time >= 100));
    assert_eq!(stream.event().await, None);
    assert!(node.ended().await.is_ok());
}

#[tokio::test]
async fn a_stream_ends_for_its_age_and_not_for_being_idle() {
    let mut config = config();
    config.connection.max_age = Duration::from_secs(3);
    config.limits.idle_timeout = Duration::from_millis(50);
    let node = Node::start_with(config, Options::default());
    let mut stream = Stream::follow(&node, "topic=a", "").await;
    stream.next().await;
    publish(&node, "a", json!(1)).await;
    assert_eq!(stream.next().await["offset"], 1);
    let goaway = stream.next().await;
    assert_eq!(
        (&goaway["type"], &goaway["reason"]),
        (&json!("goaway"), &json!("connection_aged"))
    );
    assert!(stream.retry.is_some_and(|time| (100..=2_000).contains(&time)));
    assert_eq!(stream.event().await, None);
    publish(&node, "a", json!(2)).await;
    let mut stream = Stream::follow(&node, "topic=a", &stream.id).await;
    assert_eq!(stream.next().await["recovered"], true);
    assert_eq!(stream.next().await["offset"], 2, "nothing was missed meanwhile");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_the_others_go_on() {
    let mut config = config();
    config.limits.outbox = 128 * 1024;
    let node = Node::start_with(config, Options::default());
    let mut stalled = Stream::follow(&node, "topic=a", "").await;
    stalled.next().await;
    let mut other = Stream::follow(&node, "topic=a", "").await;
    other.next().await;
    let data = "x".repeat(60_000);
    let closed = "tidegate_connections_closed_total{code=\"3001\"} 1\n";
    let mut offset = 0;
    while !get(node.admin, "/metrics").await.text().contains(closed) {
        publish(&node, "a", json!(data)).await;
        offset += 1;
        assert_eq!(other.next().await["offset"], offset);
        assert!(offset < 500, "a client that does not read is not noticed");
    }
    while stalled.event().await.is_some() {}
}

#[tokio::test]
async fn a_jobs_events_need_the_key_or_a_client_that_may_follow_it() {
    let config = config();
    let backend = Store::new(config.namespaces.clone()).open();
    let node = Node::start_closed(backend, config, Options::default());
    let record = node
        .post("/api/jobs", &json!({"type": "x", "data": 1}))
        .await
        .json();
    let id = record["id"].as_str().expect("an id");
    let path = format!("/api/jobs/{id}/events");
    get(node.client, &path).await.problem(403, 102);
    let missing = node
        .call(
            "GET",
            "/api/jobs/default.0.0123456789abcdef0123456789abcdef/events",
        )
        .await;
    missing.problem(404, 111);
    let mut stream = Stream::open(&node, &path, &format!("x-api-key: {KEY}\r\n")).await;
    assert_eq!(stream.next().await["type"], "welcome");
    let subscribed = stream.next().await;
    assert_eq!(subscribed["snapshot"]["state"], "queued", "{subscribed}");
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_before_the_stream() {
    let node = Node::start();
    get(node.client, "/events").await.problem(400, 103);
    get(node.client, "/events?topic=a%20b").await.problem(400, 103);
    get(node.client, "/events?topic=job:x").await.problem(404, 104);
    let unknown = "/events?topic=job:default.0.0123456789abcdef0123456789abcdef";
    get(node.client, unknown).await.problem(404, 104);
    let many: Vec<_> = (0..129).map(|n| format!("topic=t{n}")).collect();
    let detail = get(node.client, &format!("/events?{}", many.join("&")))
        .await
        .problem(403, 106);
    assert!(detail.contains("128"), "{detail}");
}

#[tokio::test]
async fn without_an_anonymous_endpoint_there_are_no_streams() {
    let mut config = config();
    for endpoint in &mut config.endpoints {
        endpoint.anonymous = false;
    }
    let node = Node::start_with(config, Options::default());
    let detail = get(node.client, "/events?topic=a").await.problem(401, 101);
    assert!(detail.contains("anonymous = true"), "{detail}");
}

#[tokio::test]
async fn only_pages_of_allowed_origins_get_a_stream_and_its_permission() {
    let mut config = config();
    config.gateway.allowed_origins = vec!["https://app.example.com".into()];
    let node = Node::start_with(config, Options::default());
    let origin = "origin: https://app.example.com\r\n";
    let stream = Stream::open(&node, "/events?topic=a", origin).await;
    assert!(
        stream
            .head
            .contains("access-control-allow-origin: https://app.example.com\r\n")
    );
    assert!(stream.head.contains("vary: origin\r\n"));
    let request = format!(
        "GET /events?topic=a HTTP/1.1\r\nhost: {}\r\norigin: https://evil.example\r\n\r\n",
        node.client
    );
    let answer = ask(node.client, request).await;
    answer.problem(403, 102);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}
