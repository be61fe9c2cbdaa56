//! Commands as clients write them, right and wrong.

use bytes::Bytes;
use proptest::prelude::*;

use crate::dialect::native::Native;
use crate::dialect::{Command, DecodeError, Request};

fn decode(text: &str) -> Result<Request, DecodeError> {
    Native::request(&Bytes::copy_from_slice(text.as_bytes()))
}

/// What is said to a message that is no command.
fn complaint(text: &str) -> String {
    match decode(text).expect_err(text) {
        DecodeError::Rubbish { id, failure } => format!("{id:?} {}: {}", failure.code, failure.message),
        DecodeError::Unsupported { id, failure } => {
            format!("{id:?} {}, unsupported: {}", failure.code, failure.message)
        }
    }
}

#[test]
fn commands_are_understood() {
    let commands = [
        r#"{"action":"subscribe","topic":"news"}"#,
        r#"{"id":1,"action":"subscribe","topic":"news","since":{"epoch":"0123456789","offset":7,"tag":"abcdef"}}"#,
        r#"{"id":-1.5e3,"action":"subscribe","topic":"t","since":{"epoch":"rubbish!","offset":7},"presence":false}"#,
        r#"{"id":"\u00e4","action":"unsubscribe","topic":"t"}"#,
        r#"{"id":null,"action":"publish","topic":"t","data":null}"#,
        r#"{"action":"publish","topic":"t","data":{"a": [1.50, "\u0041"]},"key":"k","unknown":{}}"#,
        r#"{"action":"subscribe","topic":"t","presence":true}"#,
        r#"{"action":"presence","topic":"t"}"#,
        r#"{"action":"presence","topic":"t","limit":0}"#,
        r#"{"action":"history","topic":"t"}"#,
        r#"{"action":"history","topic":"t","limit":5,"since":{"epoch":"","offset":0,"tag":null}}"#,
        r#"{"action":"submit","job":{"type":"backup","data":{"source":"/"}}}"#,
        r#"{"action":"submit","follow":false,"job":{"type":"x","data":1,"queue":"q","key":"k","priority":9}}"#,
        " {\"action\":\"ping\"}\n",
    ];
    let understood: Vec<_> = commands.iter().map(|text| decode(text).expect(text)).collect();
    insta::assert_debug_snapshot!(understood);
}

#[test]
fn what_is_wrong_is_said_with_the_place_and_the_way_out() {
    let long = format!(r#"{{"id":"{}","action":"ping"}}"#, "x".repeat(65));
    let messages = [
        "",
        "rubbish",
        r#"{"action":"ping""#,
        r#"{"action":"ping"} x"#,
        r#"{"action":"ping","action":"ping"}"#,
        r#"["subscribe"]"#,
        "42",
        "{}",
        r#"{"id":7}"#,
        r#"{"id":7,"action":5}"#,
        r#"{"id":7,"action":"subscrib","topic":"t"}"#,
        r#"{"id":7,"action":"teleport to somewhere very far away, at once"}"#,
        r#"{"id":[1],"action":"ping"}"#,
        &long,
        r#"{"id":7,"action":"subscribe"}"#,
        r#"{"id":7,"action":"subscribe","topic":17}"#,
        r#"{"id":7,"action":"subscribe","topic":"a b"}"#,
        r#"{"id":7,"action":"subscribe","topic":""}"#,
        r#"{"id":7,"action":"subscribe","topic":"t","since":5}"#,
        r#"{"id":7,"action":"subscribe","topic":"t","since":[]}"#,
        r#"{"id":7,"action":"subscribe","topic":"t","since":{"epoch":"e"}}"#,
        r#"{"id":7,"action":"subscribe","topic":"t","since":{"epoch":"e","offset":-1}}"#,
        r#"{"id":7,"action":"subscribe","topic":"t","since":{"epoch":"e","offset":1,"tag":1}}"#,
        r#"{"id":7,"action":"subscribe","topic":"t","presence":"yes"}"#,
        r#"{"id":7,"action":"presence","topic":"t","limit":"all"}"#,
        r#"{"id":7,"action":"publish","topic":"t"}"#,
        r#"{"id":7,"action":"publish","topic":"t","data":1,"key":"a b"}"#,
        r#"{"id":7,"action":"history","topic":"t","limit":"many"}"#,
        r#"{"id":7,"action":"submit"}"#,
        r#"{"id":7,"action":"submit","job":{"data":1}}"#,
        r#"{"id":7,"action":"submit","job":{"type":"x"}}"#,
        r#"{"id":7,"action":"submit","job":{"type":"x","data":1,"priority":10}}"#,
        r#"{"id":7,"action":"submit","job":{"type":"x","data":1,"queue":"a:b"}}"#,
        r#"{"id":7,"action":"submit","job":{"type":"x","data":1,"delay_ms":-5}}"#,
        r#"{"id":7,"action":"submit","follow":"yes","job":{"type":"x","data":1}}"#,
        r#"{"id":7,"action":"cancel","job":"j"}"#,
        r#"{"id":7,"action":"auth","token":7}"#,
    ];
    let said: Vec<String> = messages
        .iter()
        .map(|text| format!("{text}\n    {}", complaint(text)))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn data_stays_a_slice_of_the_message() {
    let message = Bytes::from_static(br#"{"action":"publish","topic":"t","data": {"b":  1} }"#);
    let Ok(Request {
        command: Command::Publish { data, .. },
        ..
    }) = Native::request(&message)
    else {
        panic!("a publish");
    };
    assert_eq!(data.as_str(), r#"{"b":  1}"#);
    assert!(message.as_ptr_range().contains(&data.as_bytes().as_ptr()));
}

#[test]
fn nesting_as_deep_as_a_message_can_be_is_no_danger() {
    const DEPTH: usize = 1_000_000;
    let nested = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let whole = format!(r#"{{"action":"publish","topic":"t","data":{nested},"other":{nested}}}"#);
    assert!(decode(&whole).is_ok());
    for text in [
        nested.clone(),
        "[".repeat(DEPTH),
        format!(
            r#"{{"action":"publish","topic":"t","data":{}"#,
            "[{\"a\":".repeat(DEPTH)
        ),
        format!(r#"{{"id":{nested},"action":"ping"}}"#),
        format!(r#"{{"action":"subscribe","topic":"t","since":{nested}}}"#),
        format!(r#"{{"action":"submit","job":{nested}}}"#),
    ] {
        assert!(decode(&text).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_bring_the_decoder_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Native::request(&bytes.into());
    }

    #[test]
    fn no_fields_of_whatever_type_bring_the_decoder_down(
        fields in proptest::collection::vec((field(), value()), 0..8),
        cut in any::<proptest::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let text = format!("{{{}}}", fields.join(","));
        let end = if whole { text.len() } else { cut.index(text.len()) };
        let _ = Native::request(&Bytes::copy_from_slice(&text.as_bytes()[..end]));
    }
}

fn field() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "action", "id", "topic", "since", "data", "key", "limit", "job", "follow", "presence", "x",
    ])
}

fn value() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "null",
        "true",
        "0",
        "-1",
        "1e400",
        "\"\"",
        "\"t\"",
        "\"\\ud800\"",
        "\"publish\"",
        "\"subscribe\"",
        "\"submit\"",
        "\"history\"",
        "[]",
        "[{}]",
        "{}",
        r#"{"epoch":"e","offset":1}"#,
        r#"{"type":"x","data":1}"#,
        r#"{"type":"x","data":1,"priority":99999999999999999999}"#,
    ])
}
