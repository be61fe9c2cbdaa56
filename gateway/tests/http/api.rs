//! `/api` as a backend developer uses it.

use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::broker::From;
use tidegate_shared::name::EventName;
use tidegate_shared::namespace::{Namespace, Namespaces};
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;

use crate::node::{KEY, Node, config};
use crate::wire::{ask, get};

/// The required members of a schema of the API's description.
async fn required(node: &Node, schema: &str) -> Vec<String> {
    let document = get(node.client, "/api/openapi.json").await;
    assert_eq!(
        (document.status, &*document.headers["content-type"]),
        (200, "application/json")
    );
    let names = &document.json()["components"]["schemas"][schema]["required"];
    serde_json::from_value(names.clone()).expect("a list of names")
}

async fn assert_has_required(node: &Node, schema: &str, answer: &Value) {
    for name in required(node, schema).await {
        assert!(answer.get(&name).is_some(), "{name} is missing in {answer}");
    }
}

#[tokio::test]
async fn a_publication_gets_the_next_position_and_is_in_the_log_as_it_was_spelt() {
    let node = Node::start();
    let body = r#"{"topic": "news", "event": "created", "data": {"n": 1.50}}"#;
    let first = node.post_text("/api/publish", body).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let first = first.json();
    assert_eq!((&first["topic"], &first["offset"]), (&json!("news"), &json!(1)));
    assert!(first["epoch"].is_string() && first["tag"].is_string(), "{first}");
    assert_has_required(&node, "Published", &first).await;

    let second = node
        .post("/api/publish", &json!({"topic": "news", "data": null}))
        .await
        .json();
    assert_eq!(second["offset"], 2);
    assert_eq!(second["epoch"], first["epoch"]);

    let topic = Topic::parse("news").expect("valid");
    let page = node
        .backend
        .broker
        .read(&topic, From::Newest, 10)
        .await
        .expect("reads");
    let Body::Message { data, event } = &page.publications[0].body else {
        panic!("{page:?}");
    };
    assert_eq!(data.as_str(), r#"{"n": 1.50}"#);
    assert_eq!(event.as_ref().map(EventName::as_str), Some("created"));
}

#[tokio::test]
async fn the_same_key_publishes_once() {
    let node = Node::start();
    let body = json!({"topic": "news", "data": 1, "key": "k1"});
    let first = node.post("/api/publish", &body).await.json();
    let again = node.post("/api/publish", &body).await;
    assert_eq!((again.status, again.json()), (200, first));
    let other = node
        .post("/api/publish", &json!({"topic": "news", "data": 2}))
        .await
        .json();
    assert_eq!(other["offset"], 2);
}

#[tokio::test]
async fn a_topic_without_a_log_gives_no_position() {
    let mut config = config();
    let fire = Namespace {
        log_size: 0,
        ..Namespace::new("fire")
    };
    config.namespaces = Namespaces::new(Namespace::new("default"), [fire]);
    let node = Node::start_with(config, Options::default());
    let answer = node
        .post("/api/publish", &json!({"topic": "fire:x", "data": 1}))
        .await;
    assert_eq!((answer.status, answer.json()), (200, json!({"topic": "fire:x"})));
    assert_has_required(&node, "Published", &answer.json()).await;
}

#[tokio::test]
async fn topics_of_the_job_queue_cannot_be_published_to_and_inboxes_can() {
    let node = Node::start();
    for topic in ["job:x", "jobs:default", "job:"] {
        let answer = node
            .post("/api/publish", &json!({"topic": topic, "data": 1}))
            .await;
        assert!(answer.problem(403, 102).contains(topic));
    }
    let inbox = node
        .post("/api/publish", &json!({"topic": "user:ann", "data": 1}))
        .await;
    assert_eq!(inbox.status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said_by_field_and_place() {
    let node = Node::start();
    for (body, expected) in [
        ("", "the body is empty"),
        (
            "{",
            "the body is not valid JSON: EOF while parsing an object at line 1 column 1",
        ),
        ("[]", "array"),
        (r#"{"topic": "a"}"#, "missing field `data`"),
        (
            r#"{"topic": "a", "data": 1, "dta": 2}"#,
            "unknown field `dta`, expected one of `topic`, `data`",
        ),
        (r#"{"topic": 1, "data": 1}"#, "`topic`: invalid type: integer `1`"),
        (r#"{"topic": "", "data": 1}"#, "`topic`: topic is empty"),
        (
            r#"{"topic": "a", "data": 1, "event": ["x"]}"#,
            "`event`: invalid type: sequence",
        ),
        (
            r#"{"topic": "a", "data": 1, "key": "x y"}"#,
            "`key`: idempotency key contains ' ' at byte 1",
        ),
        ("{\"topic\": \"a\",\n\"data\": }", "line 2 column 9"),
    ] {
        let detail = node.post_text("/api/publish", body).await.problem(400, 103);
        assert!(detail.contains(expected), "{body}: {detail}");
    }
}

#[tokio::test]
async fn a_payload_may_be_as_large_as_the_limit_and_no_larger() {
    let mut config = config();
    config.limits.data = 100;
    let wide = Namespace {
        max_data: 20_000,
        ..Namespace::new("wide")
    };
    let narrow = Namespace {
        max_data: 100,
        ..Namespace::new("default")
    };
    config.namespaces = Namespaces::new(narrow, [wide]);
    let node = Node::start_with(config, Options::default());
    let data = |bytes: usize| "x".repeat(bytes - 2);
    for (topic, size, status) in [
        ("a", 100, 200),
        ("a", 101, 413),
        ("wide:a", 20_000, 200),
        ("wide:a", 20_001, 413),
        ("wide:a", 100_000, 413),
    ] {
        let answer = node
            .post("/api/publish", &json!({"topic": topic, "data": data(size)}))
            .await;
        assert_eq!(answer.status, status, "{topic} {size}: {}", answer.text());
        if status == 413 {
            answer.problem(413, 114);
        }
    }
    let job = |size| json!({"type": "t", "data": data(size)});
    assert_eq!(node.post("/api/jobs", &job(100)).await.status, 202);
    node.post("/api/jobs", &job(101)).await.problem(413, 114);
}

#[tokio::test]
async fn a_job_is_submitted_once_per_key_and_can_be_looked_up() {
    let node = Node::start();
    let body = json!({"type": "backup", "data": {"source": "/a"}, "key": "k", "priority": 9, "user": "ann"});
    let answer = node.post("/api/jobs", &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let record = answer.json();
    assert_eq!(record["type"], "backup");
    assert_eq!(
        (&record["queue"], &record["state"]),
        (&json!("default"), &json!("queued"))
    );
    assert_eq!((&record["attempt"], &record["user"]), (&json!(0), &json!("ann")));
    assert_has_required(&node, "Job", &record).await;

    let location = format!("/api/jobs/{}", record["id"].as_str().expect("an id"));
    assert_eq!(answer.headers["location"], location);
    let found = node.call("GET", &location).await;
    assert_eq!((found.status, found.json()), (200, record.clone()));

    let again = node.post("/api/jobs", &body).await;
    assert_eq!((again.status, again.json()), (200, record));
    let other = json!({"type": "backup", "data": {"source": "/b"}, "key": "k"});
    assert!(
        node.post("/api/jobs", &other)
            .await
            .problem(409, 110)
            .contains("idempotency key k")
    );
}

#[tokio::test]
async fn a_job_request_is_checked_field_by_field() {
    let node = Node::start();
    for (body, expected) in [
        (json!({"data": 1}), "missing field `type`"),
        (json!({"type": "t"}), "missing field `data`"),
        (
            json!({"type": "a:b", "data": 1}),
            "`type`: job type contains ':' at byte 1",
        ),
        (
            json!({"type": "t", "data": 1, "queue": "a b"}),
            "`queue`: queue name contains ' '",
        ),
        (
            json!({"type": "t", "data": 1, "priority": 10}),
            "`priority`: 10 is no priority: 0 to 9 are",
        ),
        (
            json!({"type": "t", "data": 1, "priority": -1}),
            "`priority`: invalid value: integer `-1`",
        ),
        (
            json!({"type": "t", "data": 1, "priority": 1.5}),
            "`priority`: invalid type: floating point",
        ),
        (
            json!({"type": "t", "data": 1, "delay_ms": 99_999_999_999_u64}),
            "`delay_ms`: at most 31622400000 are possible",
        ),
        (
            json!({"type": "t", "data": 1, "timeout_ms": "5s"}),
            "`timeout_ms`",
        ),
        (
            json!({"type": "t", "data": 1, "max_attempts": 0}),
            "`max_attempts`: 1 to 1000 are possible",
        ),
        (
            json!({"type": "t", "data": 1, "prioritty": 5}),
            "unknown field `prioritty`",
        ),
    ] {
        let detail = node.post("/api/jobs", &body).await.problem(400, 103);
        assert!(detail.contains(expected), "{body}: {detail}");
    }
    let nulls =
        json!({"type": "t", "data": null, "queue": null, "key": null, "priority": null, "delay_ms": null});
    assert_eq!(node.post("/api/jobs", &nulls).await.status, 202);
}

#[tokio::test]
async fn an_unknown_job_is_not_found() {
    let node = Node::start();
    for id in [
        "default.0.00000000000000000000000000000000",
        "x",
        "%ff",
        "a%2Fb",
        "%20",
    ] {
        node.call("GET", &format!("/api/jobs/{id}"))
            .await
            .problem(404, 111);
    }
}

#[tokio::test]
async fn a_path_that_does_not_exist_is_said_to_be_missing() {
    let node = Node::start();
    for path in ["/api/publishh", "/api", "/api/", "/api/publish/", "/nowhere", "/"] {
        let detail = node.call("GET", path).await.problem(404, 111);
        assert!(detail.contains("nothing at this path"), "{path}: {detail}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let node = Node::start();
    for (method, path, allow) in [
        ("GET", "/api/publish", "POST"),
        ("PUT", "/api/jobs", "POST,GET,HEAD"),
        ("DELETE", "/api/jobs", "POST,GET,HEAD"),
        ("PUT", "/api/jobs/x", "GET,HEAD,DELETE"),
        ("OPTIONS", "/api/publish", "POST"),
        ("POST", "/api/openapi.json", "GET,HEAD"),
        ("BREW", "/api/publish", "POST"),
        ("POST", "/ws", "GET,HEAD"),
    ] {
        let answer = node.call(method, path).await;
        answer.problem(405, 103);
        assert_eq!(answer.headers["allow"], allow, "{method} {path}");
    }
}

#[tokio::test]
async fn the_description_names_exactly_the_methods_that_are_taken() {
    let node = Node::start();
    let document = get(node.client, "/api/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths").clone();
    for (path, described) in paths {
        let real = path.replace("{id}", "x");
        for method in ["get", "post", "put", "delete", "patch", "options"] {
            let status = node.call(&method.to_uppercase(), &real).await.status;
            let taken = described.get(method).is_some();
            assert_eq!(status != 405, taken, "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_form_is_not_taken_for_json_and_the_answer_says_what_to_send() {
    let node = Node::start();
    let body = r#"{"topic":"a","data":1}"#;
    let request = format!(
        "POST /api/publish HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let detail = ask(node.client, request).await.problem(415, 103);
    assert!(detail.contains("--json"), "{detail}");
}
