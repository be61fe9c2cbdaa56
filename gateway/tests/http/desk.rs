//! What operators ask over HTTP about jobs and queues.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::embedded::Store;
use tidegate_shared::job::Failure;
use tidegate_shared::name::{QueueName, WorkerId};

use crate::node::{Node, config};

async fn submit(node: &Node, body: Value) -> String {
    let answer = node.post("/api/jobs", &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

fn ids(page: &Value) -> Vec<&str> {
    let jobs = page["jobs"].as_array().expect("jobs");
    jobs.iter().filter_map(|job| job["id"].as_str()).collect()
}

#[tokio::test]
async fn a_job_may_wait_and_says_how_often_and_how_long_it_is_tried() {
    let node = Node::start();
    let body = json!({
        "type": "t", "data": 1, "delay_ms": 60_000, "timeout_ms": 5_000, "max_attempts": 7
    });
    let record = node.post("/api/jobs", &body).await.json();
    assert_eq!(record["state"], "scheduled");
    assert_eq!(
        (&record["timeout_ms"], &record["max_attempts"]),
        (&json!(5_000), &json!(7))
    );
    let created = record["created_at"].as_u64().expect("a time");
    assert_eq!(record["run_at"], json!(created + 60_000));
}

#[tokio::test]
async fn jobs_are_listed_in_pages_and_cancelled() {
    let node = Node::start();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(submit(&node, json!({"type": "t", "data": 1})).await);
    }
    let later = submit(&node, json!({"type": "t", "data": 1, "delay_ms": 60_000})).await;
    let first = node.call("GET", "/api/jobs?state=queued&limit=2").await.json();
    assert_eq!(ids(&first), [&*all[2], &*all[1]]);
    let next = first["next"].as_str().expect("another page");
    let path = format!("/api/jobs?state=queued&limit=2&cursor={next}");
    let second = node.call("GET", &path).await.json();
    assert_eq!((ids(&second), &second["next"]), (vec![&*all[0]], &Value::Null));
    let every = node.call("GET", "/api/jobs?queue=default").await.json();
    assert_eq!(ids(&every).len(), 4);

    for id in [&all[0], &later] {
        for _ in 0..2 {
            let answer = node.call("DELETE", &format!("/api/jobs/{id}")).await;
            assert_eq!(
                (answer.status, &answer.json()["state"]),
                (200, &json!("cancelled"))
            );
        }
    }
    let queued = node.call("GET", "/api/jobs?state=queued").await.json();
    assert_eq!(ids(&queued), [&*all[2], &*all[1]]);
    for rubbish in ["state=fine", "cursor=x", "limit=many", "what=1", "queue=a%20b"] {
        node.call("GET", &format!("/api/jobs?{rubbish}"))
            .await
            .problem(400, 103);
    }
    let unknown = "/api/jobs/default.0.00000000000000000000000000000000";
    node.call("DELETE", unknown).await.problem(404, 111);
}

#[tokio::test]
async fn a_dead_letter_is_listed_explained_and_retried() {
    let config = config();
    let backend = Store::new(config.namespaces.clone()).open();
    let node = Node::start_on(backend.clone(), config, Options::default());
    let id = submit(&node, json!({"type": "t", "data": 1})).await;
    let queue = QueueName::parse("default").expect("valid");
    let worker = WorkerId::parse("w").expect("valid");
    let lease = Duration::from_secs(60);
    let claims = backend
        .jobs
        .claim(&queue, &worker, 1, lease)
        .await
        .expect("claimed");
    let cancelling = node.call("DELETE", &format!("/api/jobs/{id}")).await;
    assert_eq!(
        (cancelling.status, &cancelling.json()["cancelling"]),
        (202, &json!(true))
    );
    let failed = backend
        .jobs
        .fail(&claims[0].lease, Failure::fatal("broken"))
        .await;
    failed.expect("held");
    node.call("DELETE", &format!("/api/jobs/{id}"))
        .await
        .problem(409, 110);

    let dead = node.call("GET", "/api/jobs?state=dead").await.json();
    assert_eq!(ids(&dead), [&*id]);
    assert_eq!(dead["jobs"][0]["dead_letter"], true);
    let attempts = node.call("GET", &format!("/api/jobs/{id}/attempts")).await.json();
    let told = &attempts["attempts"][0];
    assert_eq!(
        (&told["worker"], &told["outcome"], &told["error"]),
        (&json!("w"), &json!("failed"), &json!("broken"))
    );
    let retry = format!("/api/jobs/{id}/retry");
    let record = node.post(&retry, &json!({})).await;
    assert_eq!((record.status, &record.json()["state"]), (200, &json!("queued")));
    node.post(&retry, &json!({})).await.problem(409, 110);
}

#[tokio::test]
async fn queues_are_counted_paused_and_resumed() {
    let node = Node::start();
    submit(&node, json!({"type": "t", "data": 1, "queue": "mud"})).await;
    let queues = node.call("GET", "/api/queues").await.json();
    let mud = &queues["queues"][0];
    assert_eq!(
        (&mud["name"], &mud["queued"], &mud["paused"]),
        (&json!("mud"), &json!(1), &json!(false))
    );
    assert_eq!(
        node.call("GET", "/api/info").await.json()["queues"][0]["name"],
        "mud"
    );
    for (action, paused) in [("pause", true), ("resume", false)] {
        let answer = node.post(&format!("/api/queues/mud/{action}"), &json!({})).await;
        assert_eq!(
            (answer.status, &answer.json()["queues"][0]["paused"]),
            (200, &json!(paused))
        );
    }
    node.post("/api/queues/a%20b/pause", &json!({}))
        .await
        .problem(404, 111);
}

#[tokio::test]
async fn many_jobs_of_a_queue_are_cancelled_retried_and_forgotten() {
    let config = config();
    let backend = Store::new(config.namespaces.clone()).open();
    let node = Node::start_on(backend.clone(), config, Options::default());
    for data in 0..3 {
        submit(&node, json!({"type": "t", "data": data})).await;
    }
    let other = submit(&node, json!({"type": "t", "data": 1, "queue": "other"})).await;
    let queue = QueueName::parse("default").expect("valid");
    let worker = WorkerId::parse("w").expect("valid");
    for claim in backend
        .jobs
        .claim(&queue, &worker, 2, Duration::from_secs(60))
        .await
        .expect("claimed")
    {
        let failed = backend.jobs.fail(&claim.lease, Failure::fatal("broken")).await;
        failed.expect("held");
    }
    let retried = node.post("/api/jobs/retry", &json!({"queue": "default"})).await;
    assert_eq!(retried.json(), json!({"jobs": 2, "next": null}));
    let cancel = json!({"queue": "default"});
    let cancelled = node.post("/api/jobs/cancel", &cancel).await.json();
    assert_eq!(cancelled, json!({"jobs": 3, "next": null}));
    let again = node.post("/api/jobs/cancel", &cancel).await.json();
    assert_eq!(again["jobs"], 0);
    let path = format!("/api/jobs/{other}");
    assert_eq!(node.call("GET", &path).await.json()["state"], "queued");

    let purge = |state: &str, ago: u64| json!({"queue": "default", "state": state, "older_than_ms": ago});
    let kept = node
        .post("/api/jobs/purge", &purge("cancelled", 3_600_000))
        .await
        .json();
    assert_eq!(kept["jobs"], 0);
    let purged = node.post("/api/jobs/purge", &purge("cancelled", 0)).await.json();
    assert_eq!(purged, json!({"jobs": 3, "more": false}));
    for (path, body) in [
        ("cancel", json!({})),
        ("cancel", json!({"queue": "default", "state": "succeeded"})),
        ("retry", json!({"queue": "default", "cursor": "x"})),
        ("purge", purge("running", 0)),
        ("purge", json!({"queue": "default"})),
    ] {
        let refused = node.post(&format!("/api/jobs/{path}"), &body).await;
        refused.problem(400, 103);
    }
}
