//! What is said back without asking anybody. Whole conversations are in `tests/golden/pileup/`.

use bytes::Bytes;
use tidegate_shared::name::SessionId;

use super::Rpc;
use super::operation::Asked;
use crate::dialect::{Command, Decoded, Dialect, Entrance, Failure, Reply, RequestId, Speaker};
use tidegate_shared::code::ErrorCode;

fn decode(text: &str) -> Decoded {
    let entrance = Entrance {
        app: "pileup".into(),
        ..Entrance::default()
    };
    let speaker = Speaker {
        entrance: &entrance,
        user: None,
        session: SessionId::new(),
        time_ms: 0,
    };
    Rpc.decode(&Bytes::copy_from_slice(text.as_bytes()), &speaker)
        .expect("nothing is rubbish here")
}

fn error(text: &str) -> String {
    let Decoded::Answer { message, .. } = decode(text) else {
        panic!("{text} is understood");
    };
    let message: serde_json::Value = serde_json::from_slice(&message).expect("JSON");
    message["error"].as_str().expect("a text").to_owned()
}

#[test]
fn what_is_wrong_is_told_in_known_words() {
    for (text, words) in [
        ("{}", "Message validation failed: Missing required field 'type'"),
        (
            r#"{"type":"event"}"#,
            "Unsupported message type for parsing: event",
        ),
        (
            r#"{"type":"request","operation":"admin.set_split","data":{}}"#,
            "Invalid request data: Operation 'admin.set_split' requires 'split' field",
        ),
        (
            r#"{"type":"request","operation":"queue.register","data":{"callsign":"ABCDEFGHIJK"}}"#,
            "Invalid request data: Callsign must be between 3 and 10 characters",
        ),
        (
            r#"{"type":7}"#,
            "Message validation failed: Invalid message type 7. Valid types: ['request', 'response', 'auth', 'ping', 'pong', 'event', 'error']",
        ),
    ] {
        assert_eq!(error(text), words, "{text}");
    }
    assert!(error("{").starts_with("Invalid JSON format: "));
}

#[test]
fn an_operation_is_a_call_and_its_id_comes_back_as_it_was_spelled() {
    let Decoded::Request(request) =
        decode(r#"{"type":"request","id":{"a": "b c"},"operation":"queue.list"}"#)
    else {
        panic!("not understood");
    };
    let Command::Call(call) = &request.command else {
        panic!("{:?}", request.command);
    };
    assert_eq!(call.method.as_str(), "pileup.queue.list");
    let id = request.id.expect("an id");
    let asked = Asked::of(&id).expect("ours");
    assert_eq!((asked.operation, asked.id), ("queue.list", r#"{"a": "b c"}"#));
    let mut out = Vec::new();
    let failure = Failure::new(ErrorCode::Conflict, "Queue is full");
    Rpc.encode_reply(Some(&id), &Reply::Failed(failure), &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        r#"{"operation":"queue.list","success":false,"type":"response","timestamp":"1970-01-01T00:00:00.000000","id":{"a": "b c"},"data":null,"error":"Internal server error: Queue is full"}"#
    );
}

#[test]
fn what_answers_nothing_is_not_told() {
    let mut out = Vec::new();
    Rpc.encode_reply(None, &Reply::Pong, &mut out);
    Rpc.encode_reply(Some(&RequestId::new("x")), &Reply::Pong, &mut out);
    assert!(out.is_empty());
}
