use bytes::Bytes;
use proptest::prelude::*;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::StateKey;
use tidegate_shared::publication::{Body, Snapshot};
use tidegate_shared::topic::Topic;

use super::Sync;
use crate::dialect::{Command, DecodeError, Decoded, Dialect, Manner, Reply, Request, samples};

const MARKER: &str = r#"{"type":"marker_add","marker":{"type":"enemy","x":500.5,"y":300.2,"user_id":1,"description":"Enemy spotted","timestamp":"2026-01-01T12:00:00"}}"#;

fn decode(text: &str) -> Result<Decoded, DecodeError> {
    let entrance = samples::entrance("arma");
    Sync.decode(
        &Bytes::copy_from_slice(text.as_bytes()),
        &samples::speaker(&entrance),
    )
}

fn request(text: &str) -> Request {
    match decode(text) {
        Ok(Decoded::Request(request)) => request,
        other => panic!("{text}: {other:?}"),
    }
}

/// The one message that `text` leads to for everybody else, given that the topic is of this name.
fn relayed(text: &str) -> (String, String) {
    let request = request(text);
    let manner = Manner {
        quiet: true,
        granted: true,
        trace: None,
    };
    assert_eq!((request.id, request.manner), (None, manner));
    let (topic, body) = match request.command {
        Command::Set {
            topic, key, value, ..
        } => (topic, Body::Set { key, value }),
        Command::Remove { topic, key } => (topic, Body::Remove { key, expired: false }),
        Command::Publish { topic, data, .. } => (topic, Body::Message { data, event: None }),
        other => panic!("{other:?}"),
    };
    (topic.to_string(), encoded(topic.as_str(), body))
}

fn encoded(topic: &str, body: Body) -> String {
    samples::encoded(&Sync, topic, 1, body)
}

#[test]
fn a_marker_gets_its_id_as_its_last_field_and_keeps_what_is_unknown() {
    let (topic, said) = relayed(MARKER);
    assert_eq!(topic, "arma:markers");
    assert_eq!(
        said,
        r#"{"type":"marker_added","marker":{"type":"enemy","x":500.5,"y":300.2,"user_id":1,"description":"Enemy spotted","timestamp":"2026-01-01T12:00:00","id":"1_2026-01-01T12:00:00"}}"#
    );
    let forged = MARKER.replace("\"x\"", "\"id\":\"mine\",\"colour\":[1],\"x\"");
    let (_, said) = relayed(&forged);
    assert!(
        said.contains(r#""colour":[1]"#) && !said.contains("mine"),
        "{said}"
    );
}

#[test]
fn a_removal_names_the_id_whatever_stands_in_it() {
    for id in ["1_2026-01-01T12:00:00", "1_2026-01-01 12:00", "100%"] {
        let (topic, said) = relayed(&format!(r#"{{"type":"marker_remove","marker_id":"{id}"}}"#));
        assert_eq!(topic, "arma:markers");
        assert_eq!(said, format!(r#"{{"type":"marker_removed","marker_id":"{id}"}}"#));
    }
}

#[test]
fn a_position_is_passed_on_as_it_came_and_kept_under_its_user() {
    for text in [
        r#"{"type":"position_update","player":{"user_id":1,"username":"Player1","x":450.0,"y":320.0,"team":"blue"}}"#,
        r#"{"type":"position_update","seq":7,"player":{"user_id":"anna","x":1}}"#,
    ] {
        let (topic, said) = relayed(text);
        assert_eq!((topic.as_str(), said.as_str()), ("arma:positions", text));
    }
}

#[test]
fn who_is_nobody_has_no_position_and_is_not_told() {
    for player in [
        "{}",
        r#"{"user_id":0}"#,
        r#"{"user_id":-0.0}"#,
        r#"{"user_id":null}"#,
        r#"{"user_id":""}"#,
        "7",
    ] {
        let text = format!(r#"{{"type":"position_update","player":{player}}}"#);
        assert_eq!(decode(&text), Ok(Decoded::Nothing), "{text}");
    }
    assert_eq!(decode(r#"{"type":"position_update"}"#), Ok(Decoded::Nothing));
}

#[test]
fn chat_is_relayed_as_it_is_sent() {
    let text = r#"{"type":"chat_message","from":"anna", "text":"hi"}"#;
    assert_eq!(relayed(text), ("chat:arma".into(), text.into()));
}

#[test]
fn a_ping_is_answered_with_its_own_time_or_none() {
    let answer = |text: &str| match decode(text) {
        Ok(Decoded::Answer { message, .. }) => String::from_utf8(message).expect("text"),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        answer(r#"{"type":"ping","timestamp":"t"}"#),
        r#"{"type":"pong","timestamp":"t"}"#
    );
    assert_eq!(
        answer(r#"{"type":"ping"}"#),
        r#"{"type":"pong","timestamp":null}"#
    );
}

#[test]
fn half_a_marker_is_refused_and_its_sender_told() {
    for (whole, half) in [
        (r#""type":"enemy","#, ""),
        (r#""x":500.5,"#, ""),
        (r#""y":300.2"#, r#""y":"far""#),
        (r#""y":300.2"#, r#""y":1e999"#),
        (r#""user_id":1,"#, ""),
        (r#""user_id":1,"#, r#""user_id":true,"#),
        (r#","timestamp":"2026-01-01T12:00:00""#, ""),
    ] {
        let text = MARKER.replace(whole, half);
        assert_ne!(text, MARKER);
        assert!(decode(&text).is_err(), "{text}");
    }
    assert!(decode(r#"{"type":"marker_add"}"#).is_err());
    assert!(decode("no JSON").is_err() && decode("[]").is_err());
    assert_eq!(
        decode(r#"{"type":"voice"}"#),
        Ok(Decoded::Nothing),
        "unknown: ignored"
    );
    assert_eq!(decode("{}"), Ok(Decoded::Nothing));
}

#[test]
fn all_there_is_is_told_on_connecting_and_nothing_where_there_is_nothing() {
    let subscribed = |topic: &str, entries: &[(&str, &str)]| {
        let entry = |(key, value): &(&str, &str)| {
            let value = RawJson::trusted(Bytes::copy_from_slice(value.as_bytes()));
            (StateKey::parse(key).expect("valid"), value)
        };
        let reply = Reply::Subscribed {
            topic: Topic::parse(topic).expect("valid"),
            position: None,
            recovered: None,
            snapshot: Some(Snapshot::State(entries.iter().map(entry).collect())),
            roll: None,
        };
        let mut out = Vec::new();
        Sync.encode_reply(None, &reply, &mut out);
        String::from_utf8(out).expect("text")
    };
    assert_eq!(subscribed("arma:markers", &[]), "");
    assert_eq!(
        subscribed(
            "arma:markers",
            &[("x", "7"), ("a", r#"{"id":"a"}"#), ("b%20c", r#"{"type":"m"}"#)]
        ),
        r#"{"type":"markers_sync","markers":[{"id":"a"},{"type":"m","id":"b c"}]}"#
    );
    assert_eq!(
        subscribed(
            "arma:positions",
            &[
                ("1", r#"{"user_id":1}"#),
                (
                    "2",
                    r#"{"type":"position_update","seq":1,"player":{"user_id":2}}"#
                )
            ]
        ),
        r#"{"type":"positions_sync","positions":[{"user_id":1},{"user_id":2}]}"#
    );
    assert_eq!(subscribed("chat:arma", &[]), "");
}

#[test]
fn what_its_clients_do_not_know_is_left_out() {
    let job = Body::Job {
        record: RawJson::null(),
    };
    assert_eq!(encoded("jobs:default", job), "");
    let news = Body::Message {
        data: RawJson::null(),
        event: None,
    };
    assert_eq!(encoded("arma:markers", news.clone()), "");
    assert_eq!(encoded("chat:arma", news), "");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_makes_it_panic(text in "\\PC{0,200}") {
        let _ = decode(&text);
    }

    #[test]
    fn no_part_of_a_message_makes_it_panic(at in 0..MARKER.len(), with in "[\\[\\]{}\",:0-9a-z]{0,3}") {
        let _ = decode(&format!("{}{with}{}", &MARKER[..at], &MARKER[at..]));
    }

    #[test]
    fn whatever_is_kept_is_told_as_one_json_object(value in "[\\[\\]{}\",:0-9a-z]{0,40}") {
        let topic = Topic::parse("arma:markers").expect("valid");
        let key = StateKey::parse("k").expect("valid");
        if let Ok(value) = RawJson::parse(&Bytes::from(value)) {
            let said = encoded(topic.as_str(), Body::Set { key, value });
            prop_assert!(said.is_empty() || serde_json::from_str::<serde_json::Value>(&said).is_ok(), "{said}");
        }
    }
}

/// One line in the table and one folder: what a client gets does not depend on the rest.
#[test]
fn it_connects_to_all_three_parts_in_order() {
    let entrance = samples::entrance("arma");
    let topics: Vec<String> = Sync
        .on_connect(&samples::speaker(&entrance))
        .into_iter()
        .map(|request| match request.command {
            Command::Subscribe { topic, .. } if request.manner.granted => topic.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(topics, ["arma:markers", "arma:positions", "chat:arma"]);
}
