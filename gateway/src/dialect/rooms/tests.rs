use bytes::Bytes;
use proptest::prelude::*;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::EventName;
use tidegate_shared::publication::Body;

use super::Rooms;
use crate::dialect::samples::{self, entrance, speaker};
use crate::dialect::{Command, Decoded, Dialect, Entrance, Failure, Reply};

fn room(name: &str) -> Entrance {
    Entrance {
        app: "mud".into(),
        parameters: [("room".into(), name.into())].into(),
    }
}

fn decode(entrance: &Entrance, text: &str) -> Decoded {
    let message = Bytes::copy_from_slice(text.as_bytes());
    Rooms.decode(&message, &speaker(entrance)).expect("decoded")
}

/// The method and the data of the call that a message becomes.
fn call(entrance: &Entrance, text: &str) -> (String, String) {
    match decode(entrance, text) {
        Decoded::Request(request) => called(request.command),
        other => panic!("{text}: {other:?}"),
    }
}

fn called(command: Command) -> (String, String) {
    match command {
        Command::Call(call) => (call.method.to_string(), call.data.as_str().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn answer(entrance: &Entrance, text: &str) -> String {
    match decode(entrance, text) {
        Decoded::Answer { message, .. } => String::from_utf8(message).expect("text"),
        other => panic!("{text}: {other:?}"),
    }
}

fn told(event: Option<&str>, data: &str) -> String {
    let body = Body::Message {
        data: RawJson::parse(&Bytes::copy_from_slice(data.as_bytes())).expect("JSON"),
        event: event.map(|name| EventName::parse(name).expect("a name")),
    };
    samples::encoded(&Rooms, "mud:all", 1, body)
}

#[test]
fn what_is_sent_in_a_room_is_the_rooms_action() {
    let (method, data) = call(&room("lobby"), r#"{"action":"join","player_id":7}"#);
    assert_eq!(method, "mud.action");
    assert_eq!(
        data,
        r#"{"room":"lobby","message":{"action":"join","player_id":7}}"#
    );
}

#[test]
fn a_player_follows_its_room_from_the_beginning() {
    let requests = Rooms.on_connect(&speaker(&room("lobby")));
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert!(
        matches!(&request.command, Command::Subscribe { topic, .. } if topic.as_str() == "mud:room:lobby"),
        "{request:?}"
    );
    assert!(request.manner.granted);
}

#[test]
fn who_comes_to_the_game_enters_and_looks() {
    let requests = Rooms.on_connect(&speaker(&entrance("mud")));
    let methods: Vec<String> = requests
        .into_iter()
        .skip(1)
        .map(|one| called(one.command).0)
        .collect();
    assert_eq!(methods, ["mud.enter", "mud.look", "mud.missed"]);
}

#[test]
fn a_command_is_a_line_or_its_parts() {
    let game = entrance("mud");
    let say = call(&game, r#"{"type":"command","command":"say \"hi\""}"#);
    assert_eq!(say, ("mud.command".into(), r#"{"text":"say \"hi\""}"#.into()));
    let go = call(&game, r#"{"type":"command","action":"move","direction":"north"}"#);
    assert_eq!(go.1, r#"{"text":"move north"}"#);
    assert_eq!(answer(&game, r#"{"type":"ping"}"#), r#"{"type":"pong"}"#);
    let chat = call(&entrance("mud-chat"), r#"{"message":"hello"}"#);
    assert_eq!(chat, ("mud.chat".into(), r#"{"text":"hello"}"#.into()));
}

#[test]
fn what_makes_no_sense_is_answered_and_ends_nothing() {
    let error = |entrance: &Entrance, text: &str| {
        let said: serde_json::Value = serde_json::from_str(&answer(entrance, text)).expect("JSON");
        assert_eq!(said["type"], "error");
        said["message"].as_str().expect("text").to_owned()
    };
    let game = entrance("mud");
    assert_eq!(error(&game, "no JSON"), "Invalid JSON");
    assert_eq!(error(&game, "[1]"), "Invalid JSON");
    assert_eq!(error(&game, r#"{"type":"dance"}"#), "Unknown message type: dance");
    assert_eq!(error(&game, "{}"), "Unknown message type: None");
    assert_eq!(
        error(&game, r#"{"type":"command"}"#),
        "A command has a text `command`"
    );
    assert_eq!(
        error(&room("a"), r#"{"player_id":1}"#),
        "A message is a JSON object with an `action`"
    );
    assert_eq!(error(&room("a"), &"9".repeat(20_000)), "Message too long");
    assert_eq!(
        error(&entrance("mud-chat"), r#"{"message":1}"#),
        "A chat message has a text `message`"
    );
}

#[test]
fn a_room_is_named_with_letters_digits_and_underscores() {
    for (name, admitted) in [
        ("lobby", true),
        ("Room_42", true),
        ("höhle", true),
        ("", false),
        ("a-b", false),
        ("a b", false),
        ("a:b", false),
        ("..", false),
    ] {
        assert_eq!(Rooms.admits(&room(name)), admitted, "{name}");
    }
    assert!(!Rooms.admits(&room(&"a".repeat(65))));
    assert!(Rooms.admits(&entrance("mud")));
}

#[test]
fn an_update_is_wrapped_and_other_events_are_the_type_of_their_message() {
    assert_eq!(
        told(Some("update"), r#"{"action":"join"}"#),
        r#"{"type":"update","data":{"action":"join"}}"#
    );
    assert_eq!(told(None, "[1]"), r#"{"type":"update","data":[1]}"#);
    assert_eq!(
        told(Some("broadcast"), r#"{"message":"hi"}"#),
        r#"{"type":"broadcast","message":"hi"}"#
    );
    assert_eq!(told(Some("pause"), "{}"), r#"{"type":"pause"}"#);
    assert_eq!(told(Some("pause"), "7"), r#"{"type":"update","data":7}"#);
}

#[test]
fn a_methods_answer_is_the_message_and_its_failure_an_error() {
    let encode = |reply: Reply| {
        let mut out = Vec::new();
        Rooms.encode_reply(None, &reply, &mut out);
        String::from_utf8(out).expect("text")
    };
    let data = |text: &'static str| Reply::Result {
        data: RawJson::trusted(Bytes::from_static(text.as_bytes())),
    };
    assert_eq!(encode(data(r#"{"type":"system"}"#)), r#"{"type":"system"}"#);
    assert_eq!(encode(data("null")), "");
    assert_eq!(
        encode(Reply::Failed(Failure::new(ErrorCode::NoWorker, "nobody plays"))),
        r#"{"type":"error","message":"nobody plays"}"#
    );
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(text in ".*", name in "\\w{0,8}") {
        for entrance in [room(&name), entrance("mud"), entrance("mud-chat")] {
            let _ = Rooms.decode(&Bytes::from(text.clone()), &speaker(&entrance));
            let _ = Rooms.decode_binary(&Bytes::from(text.clone()), &speaker(&entrance));
        }
    }
}
