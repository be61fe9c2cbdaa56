//! Submitting and following jobs.

use std::time::Duration;

use serde_json::json;
use tidegate_shared::embedded::Store;
use tidegate_shared::job::{Percent, Progress};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{QueueName, WorkerId};

use super::harness::{alone, config, start};

#[tokio::test]
async fn a_submitter_follows_its_job_to_the_end() {
    let config = config(|_| {});
    let store = Store::new(config.namespaces.clone());
    let node = start(&config, &store);
    let mut client = node.client().await;
    let submitted = client
        .ask(json!({"id": 1, "action": "submit", "job": {"type": "count", "data": {"to": 3}}}))
        .await;
    assert_eq!(submitted["type"], "submitted", "{submitted}");
    assert_eq!(submitted["job"]["state"], "queued");
    let topic = submitted["topic"].as_str().expect("a topic").to_owned();
    assert_eq!(
        format!("job:{}", submitted["job"]["id"].as_str().expect("an id")),
        topic
    );

    let jobs = store.open().jobs;
    let queue = QueueName::parse("default").expect("valid");
    let worker = WorkerId::parse("w").expect("valid");
    let claims = jobs
        .claim(&queue, &worker, 1, Duration::from_secs(30))
        .await
        .expect("claimed");
    let lease = &claims[0].lease;
    let progress = Progress {
        percent: Some(Percent::new(50.0)),
        ..Progress::default()
    };
    jobs.progress(lease, progress).await.expect("reported");
    jobs.succeed(lease, RawJson::of(&3).expect("JSON"))
        .await
        .expect("ended");

    let start = submitted["offset"].as_u64().expect("an offset");
    for (step, state) in [(1, "running"), (2, "running"), (3, "succeeded")] {
        let push = client.next().await;
        assert_eq!(push["type"], "job", "{push}");
        assert_eq!(push["topic"], topic.as_str());
        assert_eq!(
            (&push["offset"], &push["job"]["state"]),
            (&json!(start + step), &json!(state))
        );
    }
    let again = client
        .ask(json!({"id": 2, "action": "subscribe", "topic": topic}))
        .await;
    assert_eq!(again["code"], 105, "following is a subscription");
}

#[tokio::test]
async fn a_late_comer_gets_the_record() {
    let node = alone();
    let mut client = node.client().await;
    let submitted = client
        .ask(json!({"id": 1, "action": "submit", "follow": false, "job": {"type": "x", "data": null}}))
        .await;
    let topic = submitted["topic"].clone();
    let subscribed = client
        .ask(json!({"id": 2, "action": "subscribe", "topic": topic}))
        .await;
    assert_eq!(subscribed["snapshot"], submitted["job"]);
    assert_eq!(subscribed["offset"], submitted["offset"]);
    assert!(subscribed.get("recovered").is_none());
}

#[tokio::test]
async fn the_same_key_is_the_same_job_and_its_follower_stays_one() {
    let node = alone();
    let mut client = node.client().await;
    let submit = json!({"id": 1, "action": "submit", "job": {"type": "x", "data": 1, "key": "k"}});
    let first = client.ask(submit.clone()).await;
    let second = client.ask(submit.clone()).await;
    assert_eq!(first["job"], second["job"]);
    let mut other = submit;
    other["job"]["data"] = json!(2);
    let conflict = client.ask(other).await;
    assert_eq!(conflict["code"], 110, "{conflict}");
    assert_eq!(node.metric("tidegate_subscriptions", None), 1);
}

#[tokio::test]
async fn a_job_that_does_not_exist_cannot_be_followed() {
    let node = alone();
    let mut client = node.client().await;
    let topic = format!("job:default.0.{}", "0".repeat(32));
    let reply = client
        .ask(json!({"id": 1, "action": "subscribe", "topic": topic}))
        .await;
    assert_eq!(reply["code"], 104, "{reply}");
}

#[tokio::test]
async fn a_client_cancels_a_job_that_waits_and_asks_for_the_end_of_one_that_runs() {
    let config = config(|_| {});
    let store = Store::new(config.namespaces.clone());
    let node = start(&config, &store);
    let mut client = node.client().await;
    let mut ids = Vec::new();
    for number in 0..2 {
        let job = json!({"type": "count", "data": 1, "max_attempts": 1});
        let submitted = client
            .ask(json!({"id": number, "action": "submit", "follow": false, "job": job}))
            .await;
        assert_eq!(submitted["job"]["max_attempts"], 1, "{submitted}");
        ids.push(submitted["job"]["id"].as_str().expect("an id").to_owned());
    }
    let jobs = store.open().jobs;
    let queue = QueueName::parse("default").expect("valid");
    let worker = WorkerId::parse("w").expect("valid");
    let claims = jobs
        .claim(&queue, &worker, 1, Duration::from_secs(30))
        .await
        .expect("claimed");
    assert_eq!(claims[0].lease.job.as_str(), ids[0]);
    for (id, kind) in [(&ids[0], "cancelling"), (&ids[1], "cancelled")] {
        let answer = client.ask(json!({"id": 5, "action": "cancel", "job": id})).await;
        assert_eq!(
            (&answer["type"], &answer["job"]["id"]),
            (&json!(kind), &json!(id))
        );
    }
    jobs.succeed(&claims[0].lease, RawJson::null())
        .await
        .expect("held");
    let answer = client
        .ask(json!({"id": 6, "action": "cancel", "job": ids[0]}))
        .await;
    assert_eq!(answer["code"], 110, "{answer}");
    let unknown = "default.0.00000000000000000000000000000000";
    for (job, code) in [(json!(unknown), 111), (json!("x"), 103), (json!({}), 103)] {
        let answer = client.ask(json!({"id": 7, "action": "cancel", "job": job})).await;
        assert_eq!(answer["code"], code, "{answer}");
    }
}
