//! Replies, pushes and publications as clients read them.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::{JobId, JobRecord, JobState, Percent};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, JobType, NodeId, QueueName, SessionId, StateKey, UserId};
use tidegate_shared::position::{Epoch, Position, Tag};
use tidegate_shared::presence::Member;
use tidegate_shared::publication::{Body, Place, Publication, Snapshot};
use tidegate_shared::topic::Topic;

use crate::dialect::native::Native;
use crate::dialect::{Dialect, Failure, Goodbye, Push, Reply, RequestId, Roll, Welcome};

fn position() -> Position {
    Position {
        epoch: Epoch::from_wire("0123456789"),
        offset: 42,
        tag: Tag::from_wire("abcdef"),
    }
}

fn topic() -> Topic {
    Topic::parse("chat:a\"b").expect("valid")
}

fn raw(text: &str) -> RawJson {
    RawJson::parse(&text.to_owned().into()).expect("JSON")
}

fn record() -> JobRecord {
    JobRecord {
        id: JobId::parse("default.0.0123456789abcdef0123456789abcdef").expect("valid"),
        kind: JobType::parse("backup").expect("valid"),
        queue: QueueName::parse("default").expect("valid"),
        state: JobState::Running,
        attempt: 1,
        percent: Some(Percent::new(12.5)),
        message: Some("reading".into()),
        progress: None,
        result: None,
        error: None,
        user: None,
        created_at: 1_700_000_000_000,
        started_at: Some(1_700_000_000_001),
        finished_at: None,
        timeout_ms: None,
        max_attempts: 3,
        concurrency: None,
        run_at: None,
        cancelling: false,
        dead_letter: false,
        traceparent: None,
    }
}

fn publication(body: Body, has_log: bool) -> Publication {
    Publication {
        topic: topic(),
        place: has_log.then(|| Place {
            position: position(),
            previous: Tag::NONE,
        }),
        time_ms: 1_700_000_000_000,
        body,
        exclude: None,
        trace: None,
    }
}

fn member() -> Member {
    Member {
        session: SessionId::parse(&"0a".repeat(16)).expect("valid"),
        user: UserId::parse("ada").ok(),
        info: Some(raw(r#"{"name": "Ada"}"#)),
        since: 1_700_000_000_000,
    }
}

fn message(has_log: bool, event: Option<&str>) -> Publication {
    let body = Body::Message {
        data: raw(r#"{"x": 1.50}"#),
        event: event.map(|event| EventName::parse(event).expect("valid")),
    };
    publication(body, has_log)
}

/// What is written, checked to be JSON.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    if !text.is_empty() {
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
    }
    text
}

#[test]
fn replies_have_these_shapes() {
    let state = Snapshot::State(vec![
        (StateKey::parse("a\"b").expect("valid"), raw("1")),
        (StateKey::parse("b").expect("valid"), raw("[]")),
    ]);
    let subscribed = |position, recovered, snapshot| Reply::Subscribed {
        topic: topic(),
        position,
        recovered,
        snapshot,
        roll: None,
    };
    let roll = |told| Roll {
        count: 2,
        members: [member(), member()].into(),
        told,
    };
    let replies = [
        subscribed(Some(position()), None, None),
        subscribed(Some(position()), Some(true), None),
        subscribed(Some(position()), Some(false), Some(state)),
        subscribed(Some(position()), None, Some(Snapshot::State(Vec::new()))),
        subscribed(Some(position()), None, Some(Snapshot::Job(raw("{}")))),
        subscribed(None, Some(false), None),
        Reply::Subscribed {
            topic: topic(),
            position: None,
            recovered: None,
            snapshot: None,
            roll: Some(roll(2)),
        },
        Reply::Presence {
            topic: topic(),
            roll: roll(1),
        },
        Reply::Presence {
            topic: topic(),
            roll: roll(0),
        },
        Reply::Unsubscribed { topic: topic() },
        Reply::Published {
            position: Some(position()),
        },
        Reply::Published { position: None },
        Reply::History {
            position: Some(position()),
            publications: vec![
                Arc::new(message(true, None)),
                Arc::new(message(true, Some("joined"))),
            ],
            complete: true,
        },
        Reply::History {
            position: None,
            publications: Vec::new(),
            complete: false,
        },
        Reply::Submitted {
            job: Box::new(record()),
            topic: Topic::of_job(&record().id),
            position: position(),
        },
        Reply::Pong,
        Reply::Failed(Failure::new(ErrorCode::Unavailable, "a \"reason\"\n")),
    ];
    let id = RequestId::new("\"q-1\"");
    let shapes: Vec<String> = replies
        .iter()
        .map(|reply| written(|out| Native.encode_reply(Some(&id), reply, out)))
        .collect();
    insta::assert_snapshot!(shapes.join("\n"));
}

#[test]
fn pushes_have_these_shapes() {
    let session = SessionId::parse(&"0a".repeat(16)).expect("valid");
    let node = NodeId::parse("web-1-00c0ffee").expect("valid");
    let user = UserId::parse("ada").expect("valid");
    let topic = topic();
    let failure = Failure::new(ErrorCode::UnknownTopic, "gone");
    let snapshot = Snapshot::Job(raw(r#"{"id":"x"}"#));
    let welcome = Welcome {
        session,
        node: &node,
        user: None,
        ping: Duration::from_secs(25),
        version: "0.1.0",
        time_ms: 0,
    };
    let known = Welcome {
        user: Some(&user),
        ..welcome
    };
    let reset = |snapshot| Push::Reset {
        topic: &topic,
        position: position(),
        snapshot,
        reason: "fork",
    };
    let pushes = [
        Push::Welcome(welcome),
        Push::Welcome(known),
        Push::Lagged {
            topic: &topic,
            from: 3,
            to: 7,
        },
        reset(None),
        reset(Some(&snapshot)),
        Push::GoAway(Goodbye {
            reason: "shutdown",
            reconnect_after: Duration::from_millis(1_500),
        }),
        Push::Failed {
            topic: None,
            failure: &failure,
        },
        Push::Failed {
            topic: Some(&topic),
            failure: &failure,
        },
    ];
    let shapes: Vec<String> = pushes
        .iter()
        .map(|push| written(|out| Native.encode_push(push, out)))
        .collect();
    insta::assert_snapshot!(shapes.join("\n"));
}

#[test]
fn publications_have_these_shapes() {
    let key = || StateKey::parse("k").expect("valid");
    let publications = [
        message(true, None),
        message(true, Some("joined")),
        message(false, None),
        publication(
            Body::Set {
                key: key(),
                value: raw("[1, 2]"),
            },
            true,
        ),
        publication(
            Body::Remove {
                key: key(),
                expired: false,
            },
            true,
        ),
        publication(
            Body::Remove {
                key: key(),
                expired: true,
            },
            true,
        ),
        publication(
            Body::Job {
                record: RawJson::of(&record()).expect("JSON"),
            },
            true,
        ),
        publication(Body::Join { member: member() }, false),
        publication(Body::Leave { member: member() }, false),
    ];
    let shapes: Vec<String> = publications
        .iter()
        .map(|publication| written(|out| Native.encode_publication(publication, out)))
        .collect();
    insta::assert_snapshot!(shapes.join("\n"));
}

#[test]
fn without_an_id_only_a_failure_is_written() {
    assert_eq!(written(|out| Native.encode_reply(None, &Reply::Pong, out)), "");
    let failed = Reply::Failed(Failure::new(ErrorCode::Conflict, "x"));
    assert_eq!(
        written(|out| Native.encode_reply(None, &failed, out)),
        r#"{"type":"error","code":110,"message":"x","temporary":false}"#
    );
}
