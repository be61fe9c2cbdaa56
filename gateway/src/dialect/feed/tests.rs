use bytes::Bytes;
use serde_json::{Value, json};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::EventName;
use tidegate_shared::publication::Body;

use super::Feed;
use crate::dialect::{Compression, Decoded, Dialect, Format, samples};

fn encoded(topic: &str, body: Body) -> String {
    samples::encoded(&Feed, topic, 1_705_314_600_000, body)
}

fn job(changes: &Value) -> String {
    let mut record = json!({
        "id": "ark.0.550e8400e29b41d4a716446655440000", "type": "INSTALL_SERVER", "queue": "ark",
        "state": "queued", "attempt": 0, "max_attempts": 3, "percent": null, "message": null, "result": null, "error": null,
        "user": null, "created_at": 1_705_314_600_000_u64, "started_at": null, "finished_at": null,
    });
    for (key, value) in changes.as_object().expect("an object") {
        record[key] = value.clone();
    }
    let record = RawJson::of(&record).expect("JSON");
    encoded("jobs:ark", Body::Job { record })
}

const JOB: &str = r#""jobId":"550e8400-e29b-41d4-a716-446655440000""#;
const RUN: &str = r#""jobRunId":"550e8400-e29b-41d4-a716-4466554401ff""#;

#[test]
fn every_state_of_a_job_is_an_event() {
    let first = json!({"attempt": 1, "finished_at": 1_705_314_900_000_u64});
    let with = |more: Value| {
        let mut changes = first.clone();
        for (key, value) in more.as_object().expect("an object") {
            changes[key] = value.clone();
        }
        job(&changes)
    };
    assert_eq!(
        job(&json!({})),
        format!(
            r#"{{"event":"job:created","data":{{{JOB},"jobType":"INSTALL_SERVER","createdAt":"2024-01-15T10:30:00.000Z"}}}}"#
        )
    );
    assert_eq!(
        with(json!({"state": "running", "percent": 45.0, "message": "Installing server files..."})),
        format!(
            r#"{{"event":"job:progress","data":{{{JOB},{RUN},"status":"RUNNING","percent":45,"message":"Installing server files...","timestamp":"2024-01-15T10:30:00.000Z"}}}}"#
        )
    );
    assert_eq!(
        with(json!({"state": "retrying", "percent": 0.5})),
        format!(
            r#"{{"event":"job:progress","data":{{{JOB},{RUN},"status":"QUEUED","percent":0.5,"message":"","timestamp":"2024-01-15T10:30:00.000Z"}}}}"#
        )
    );
    assert_eq!(
        with(json!({"state": "succeeded", "result": {"buildId": "12345678"}})),
        format!(
            r#"{{"event":"job:completed","data":{{{JOB},{RUN},"result":{{"buildId":"12345678"}},"completedAt":"2024-01-15T10:35:00.000Z"}}}}"#
        )
    );
    assert_eq!(
        with(json!({"state": "failed", "error": "no disk"})),
        format!(
            r#"{{"event":"job:failed","data":{{{JOB},{RUN},"error":"no disk","failedAt":"2024-01-15T10:35:00.000Z"}}}}"#
        )
    );
    assert_eq!(
        with(json!({"state": "cancelled"})),
        format!(
            r#"{{"event":"job:cancelled","data":{{{JOB},{RUN},"cancelledAt":"2024-01-15T10:35:00.000Z"}}}}"#
        )
    );
}

#[test]
fn two_attempts_are_two_runs() {
    let run = |attempt: u32| job(&json!({"state": "running", "attempt": attempt}));
    assert_ne!(run(1), run(2));
}

#[test]
fn no_event_of_a_job_is_longer_than_its_clients_buffer() {
    let long = "ä\"".repeat(5_000);
    for changes in [
        json!({"state": "running", "attempt": 1, "message": long}),
        json!({"state": "failed", "attempt": 1, "error": long}),
        json!({"state": "succeeded", "attempt": 1, "result": {"log": long}}),
    ] {
        let text = job(&changes);
        assert!((1..=4_096).contains(&text.len()), "{} bytes", text.len());
        serde_json::from_str::<Value>(&text).expect("JSON");
    }
    let plain = job(&json!({"state": "failed", "attempt": 1, "error": "x".repeat(9_000)}));
    assert!(
        (3_000..=4_096).contains(&plain.len()) && plain.contains("x…\""),
        "{}",
        plain.len()
    );
}

#[test]
fn a_job_of_an_instance_says_which() {
    let said = job(&json!({"concurrency": {"key": "instance:770e8400", "limit": 1}}));
    assert!(
        said.contains(r#""jobType":"INSTALL_SERVER","instanceId":"770e8400","createdAt""#),
        "{said}"
    );
    let said = job(&json!({"concurrency": {"key": "other", "limit": 1}}));
    assert!(!said.contains("instanceId"), "{said}");
}

#[test]
fn a_long_line_of_a_log_is_cut_where_that_makes_it_fit() {
    let log = |message: &str, more: &str| {
        let data =
            json!({"instanceId": "i", "timestamp": "t", "level": "INFO", "message": message, "more": more});
        let body = Body::Message {
            data: RawJson::of(&data).expect("JSON"),
            event: EventName::parse("instance:log").ok(),
        };
        encoded("ark:events", body)
    };
    let said = log(&"m".repeat(9_000), "");
    assert!(
        (3_000..=4_096).contains(&said.len()) && said.contains("m…\""),
        "{}",
        said.len()
    );
    let said = log(&"\u{1}".repeat(9_000), "");
    assert!(said.len() <= 4_096, "{}", said.len());
    let said = log("short", &"m".repeat(9_000));
    assert!(
        said.len() > 9_000 && said.contains("\"short\""),
        "nothing to be done"
    );
}

#[test]
fn what_is_published_under_a_known_name_is_an_event_and_nothing_else_is() {
    let said = |event: &str, data: Value| {
        let body = Body::Message {
            data: RawJson::of(&data).expect("JSON"),
            event: EventName::parse(event).ok(),
        };
        encoded("ark:events", body)
    };
    assert_eq!(
        said("agent:offline", json!({"agentId": "a", "lastSeenAt": "t"})),
        r#"{"event":"agent:offline","data":{"agentId":"a","lastSeenAt":"t"}}"#
    );
    assert_eq!(said("agent:offline", json!(7)), "", "data is an object");
    assert_eq!(said("job:created", json!({})), "", "jobs speak for themselves");
    assert_eq!(said("", json!({})), "");
}

#[test]
fn a_job_that_its_user_follows_is_not_told_twice() {
    let record = RawJson::of(&json!({})).expect("JSON");
    let topic = "job:ark.0.550e8400e29b41d4a716446655440000";
    assert_eq!(encoded(topic, Body::Job { record }), "");
}

#[test]
fn nothing_a_client_sends_means_anything_and_nothing_is_compressed() {
    let entrance = samples::entrance("ark");
    let speaker = samples::speaker(&entrance);
    for text in ["", "{}", "no JSON", r#"{"action":"ping"}"#] {
        assert_eq!(Feed.decode(&Bytes::from(text), &speaker), Ok(Decoded::Ignored));
        assert_eq!(
            Feed.decode_binary(&Bytes::from(text), &speaker),
            Ok(Decoded::Ignored)
        );
    }
    let name = tidegate_shared::config::DialectName::ALL
        .iter()
        .find(|one| one.as_str() == "feed");
    let format = Format::named(*name.expect("known")).expect("in the table");
    assert_eq!(format.compressed(Compression::Deflate), format);
}
