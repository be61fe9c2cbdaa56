use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, UserId};
use tidegate_shared::publication::{Body, Snapshot};
use tidegate_shared::topic::Topic;

use super::Tasks;
use crate::dialect::{Command, Decoded, Dialect, Failure, Reply, Request, Speaker, samples};

fn decode(text: &str) -> Decoded {
    decode_of(None, text)
}

fn decode_of(user: Option<&UserId>, text: &str) -> Decoded {
    let entrance = samples::entrance("bedrock");
    let speaker = Speaker {
        user,
        ..samples::speaker(&entrance)
    };
    let decoded = Tasks.decode(&Bytes::copy_from_slice(text.as_bytes()), &speaker);
    decoded.expect("no message is an error here")
}

fn answer(text: &str) -> String {
    match decode(text) {
        Decoded::Answer { message, .. } => String::from_utf8(message).expect("text"),
        other => panic!("{text}: {other:?}"),
    }
}

fn requests(text: &str) -> Vec<Request> {
    match decode(text) {
        Decoded::Request(request) => vec![request],
        Decoded::Requests(requests) | Decoded::InTurn(requests) => requests,
        other => panic!("{text}: {other:?}"),
    }
}

/// What a client is told when the one of its requests that is answered has this reply. With the topic it is about.
fn asked(text: &str, reply: impl FnOnce(Topic) -> Reply) -> (String, String) {
    let mut answered: Vec<Request> = requests(text)
        .into_iter()
        .filter(|one| one.id.is_some())
        .collect();
    let Request { id, command, .. } = answered.pop().expect("an answer");
    assert!(answered.is_empty(), "{text} is answered once");
    let (Command::Subscribe { topic, .. } | Command::Unsubscribe { topic }) = command else {
        panic!("{command:?}");
    };
    let mut out = Vec::new();
    Tasks.encode_reply(id.as_ref(), &reply(topic.clone()), &mut out);
    (topic.to_string(), String::from_utf8(out).expect("text"))
}

fn subscribed(topic: Topic) -> Reply {
    Reply::Subscribed {
        topic,
        position: None,
        recovered: None,
        snapshot: None,
        roll: None,
    }
}

fn encoded(topic: &str, body: Body) -> String {
    samples::encoded(&Tasks, topic, 1, body)
}

#[test]
fn every_subscription_succeeds_also_again_and_to_anything() {
    let text = r#"{"action":"subscribe","topic":"event:after_backup"}"#;
    let success = r#"{"status":"success","message":"Subscribed to topic 'event:after_backup'"}"#;
    let (topic, said) = asked(text, subscribed);
    assert_eq!(
        (topic.as_str(), said.as_str()),
        ("bedrock:event:after_backup", success)
    );
    let again = |_| Reply::Failed(Failure::new(ErrorCode::AlreadySubscribed, "twice"));
    assert_eq!(asked(text, again).1, success);
    assert_eq!(
        answer(r#"{"action":"subscribe","topic":"no topic"}"#),
        r#"{"status":"success","message":"Subscribed to topic 'no topic'"}"#
    );
    let (topic, said) = asked(
        r#"{"action":"unsubscribe","topic":"it's \"x\""}"#.replace(' ', "_").as_str(),
        |topic| Reply::Unsubscribed { topic },
    );
    assert_eq!(topic, "bedrock:it's_\"x\"");
    assert_eq!(
        said,
        r#"{"status":"success","message":"Unsubscribed from topic 'it's_\"x\"'"}"#
    );
}

#[test]
fn what_is_wrong_is_said_in_the_known_words() {
    let required = r#"{"status":"error","message":"Action and topic are required."}"#;
    for text in [
        "{}",
        r#"{"action":"subscribe"}"#,
        r#"{"topic":"x"}"#,
        r#"{"action":"subscribe","topic":""}"#,
        r#"{"action":null,"topic":"x"}"#,
    ] {
        assert_eq!(answer(text), required, "{text}");
    }
    assert_eq!(
        answer(r#"{"action":"x","topic":"t"}"#),
        r#"{"status":"error","message":"Unknown action: 'x'"}"#
    );
    assert!(answer("no JSON").contains(r#""status":"error""#));
}

#[test]
fn a_token_may_come_as_a_message() {
    let Decoded::Request(request) = decode(r#"{"action":"authenticate","token":"abc"}"#) else {
        panic!("a request");
    };
    assert_eq!(request.command, Command::Auth { token: "abc".into() });
    assert!(!request.manner.granted);
    let known = UserId::parse("ann").expect("valid");
    for (user, said) in [
        (
            Some(&known),
            r#"{"status":"success","message":"Authenticated successfully"}"#,
        ),
        (None, r#"{"status":"error","message":"A token is required."}"#),
    ] {
        let Decoded::Answer { message, .. } = decode_of(user, r#"{"action":"authenticate"}"#) else {
            panic!("an answer");
        };
        assert_eq!(String::from_utf8_lossy(&message), said);
    }
}

#[test]
fn all_that_there_is_is_followed_and_answered_once() {
    let asked = requests(r#"{"action":"subscribe","topic":"*"}"#);
    let topics: Vec<&str> = asked
        .iter()
        .filter_map(|one| match &one.command {
            Command::Subscribe { topic, .. } => Some(topic.as_str()),
            _ => None,
        })
        .collect();
    for name in [
        "bedrock:event:before_backup",
        "bedrock:event:after_world_reset",
        "bedrock:event:after_server_statuses_updated",
    ] {
        assert!(topics.contains(&name), "{topics:?}");
    }
    assert_eq!(topics.last(), Some(&"bedrock:*"));
    assert_eq!(asked.iter().filter(|one| one.id.is_some()).count(), 1);
    assert!(asked.len() < 64, "there is room for others");
}

#[test]
fn who_ends_an_event_goes_on_following_what_others_of_its_topics_need() {
    for topic in ["*", "event:after_backup"] {
        let text = json!({"action": "unsubscribe", "topic": topic}).to_string();
        let [Request { id, command, .. }] = &requests(&text)[..] else {
            panic!("one request");
        };
        let (name, chosen) = (topic.into(), false);
        assert_eq!(*command, Command::Choose { name, chosen });
        let mut said = Vec::new();
        Tasks.encode_reply(id.as_ref(), &Reply::Chosen, &mut said);
        let said: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
        assert_eq!(said["message"], format!("Unsubscribed from topic '{topic}'"));
    }
    let left = requests(r#"{"action":"unsubscribe","topic":"resource-monitor:one"}"#);
    assert!(
        matches!(
            &left[..],
            [
                _,
                Request {
                    command: Command::Unsubscribe { .. },
                    ..
                }
            ]
        ),
        "nobody looks at it any more: {left:?}"
    );
}

#[test]
fn the_application_is_told_which_servers_are_looked_at() {
    let requests = requests(r#"{"action":"subscribe","topic":"resource-monitor:a\"b"}"#);
    let Some(watch) = requests.last() else {
        panic!("a call");
    };
    let Command::Call(call) = &watch.command else {
        panic!("{watch:?}");
    };
    assert_eq!(call.method.as_str(), "bedrock.watch");
    assert_eq!(call.data.as_str(), r#"{"server":"a\"b"}"#);
    assert!(watch.id.is_none() && watch.manner.granted, "nobody waits for it");
}

#[test]
fn events_and_resources_carry_the_clients_topic() {
    let message = |event: Option<&str>| Body::Message {
        data: RawJson::of(&json!({"server_name": "testsrv"})).expect("JSON"),
        event: event.map(|event| EventName::parse(event).expect("valid")),
    };
    let event = r#"{"type":"event","topic":"event:after_backup","data":{"server_name":"testsrv"}}"#;
    assert_eq!(encoded("bedrock:event:after_backup", message(None)), event);
    assert_eq!(encoded("bedrock:*", message(Some("event:after_backup"))), event);
    assert_eq!(
        encoded("bedrock:resource-monitor:testsrv", message(None)),
        r#"{"type":"resource_update","topic":"resource-monitor:testsrv","data":{"server_name":"testsrv"}}"#
    );
    assert_eq!(
        encoded("bedrock:*", message(Some("resource-monitor:testsrv"))),
        r#"{"type":"resource_update","topic":"resource-monitor:testsrv","data":{"server_name":"testsrv"}}"#
    );
    assert_eq!(encoded("bedrock:*", message(None)), "");
    assert_eq!(encoded("user:ann", message(None)), "");
}

#[test]
fn a_users_job_is_its_task() {
    let said = |state: &str, result: serde_json::Value, error: serde_json::Value| {
        let record = RawJson::of(&json!({
            "id": "default.0.0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", "type": "backup", "queue": "default",
            "state": state, "attempt": 1, "percent": null, "message": "compressing", "result": result,
            "error": error, "user": "admin", "created_at": 1, "started_at": null, "finished_at": null,
        }))
        .expect("JSON");
        let live = encoded(
            "job:default.0.0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
            Body::Job {
                record: record.clone(),
            },
        );
        assert_eq!(
            encoded(
                "jobs:default",
                Body::Job {
                    record: record.clone()
                }
            ),
            ""
        );
        let mut found = Vec::new();
        let announced = Reply::Subscribed {
            topic: Topic::parse("job:x").expect("valid"),
            position: None,
            recovered: None,
            snapshot: Some(Snapshot::Job(record)),
            roll: None,
        };
        Tasks.encode_reply(None, &Reply::Announced(Box::new(announced)), &mut found);
        let text = String::from_utf8(found).expect("text");
        let told_live = if state == "running" { "" } else { &text };
        assert_eq!(live, told_live, "that it runs was told at its start");
        let start =
            r#"{"type":"task_update","topic":"task:default.0.0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","data":"#;
        text.strip_prefix(start).map(str::to_owned).unwrap_or(text)
    };
    for state in ["queued", "running"] {
        assert_eq!(
            said(state, json!(null), json!(null)),
            r#"{"status":"in_progress","message":"Task is running.","result":null,"username":"admin"}}"#
        );
    }
    assert_eq!(
        said("succeeded", json!({"files": 3}), json!(null)),
        r#"{"status":"success","message":"Task completed successfully.","result":{"files":3},"username":"admin"}}"#
    );
    assert_eq!(
        said("failed", json!(null), json!("disk full")),
        r#"{"status":"error","message":"disk full","result":null,"username":"admin"}}"#
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_makes_it_panic(text in "\\PC{0,100}") {
        decode(&text);
        decode(&json!({"action": "subscribe", "topic": text}).to_string());
    }
}
