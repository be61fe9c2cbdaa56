//! Packets as they stand on the wire, conversations as transcripts, and that rubbish does no harm.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::Config;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, UserId};
use tidegate_shared::namespace::{Namespace, Namespaces};
use tidegate_shared::position::{Epoch, Position, Tag};
use tidegate_shared::publication::{Body, Place, Publication};
use tidegate_shared::topic::Topic;

use super::engine::{self, Out, Packet};
use super::{App, Conversation, Dialect, Record, Reply, Setting, SocketIo, Step};
use crate::dialect::{Command, Failure, Request};

/// A client's side of a conversation, written down.
struct Client {
    conversation: Conversation,
    written: String,
    asked: Vec<Request>,
}

impl Client {
    fn new(app: App, recovers: bool, needs_user: bool) -> Self {
        let config = Config {
            namespaces: Namespaces::new(Namespace::new("default"), [Namespace::new("chat")]),
            ..Config::default()
        };
        Self {
            conversation: Conversation::new(Setting {
                config: Arc::new(config),
                app,
                needs_user,
                knows_user: false,
                recovers,
                session: "SESSION".into(),
                secret: "SECRET".into(),
                limit: 1_000,
                hold: 1_000,
            }),
            written: String::new(),
            asked: Vec::new(),
        }
    }

    fn send(&mut self, text: &str) {
        let _ = writeln!(self.written, "> {text}");
        let text = Bytes::copy_from_slice(text.as_bytes());
        let Ok(Packet::Text(text)) = engine::packet(&text) else {
            return;
        };
        match self.conversation.on_text(&text) {
            Ok(steps) => self.carry_out(steps),
            Err(malformed) => {
                let _ = writeln!(self.written, "! {malformed}");
            }
        }
    }

    fn send_binary(&mut self, bytes: &'static [u8]) {
        let _ = writeln!(self.written, "> {bytes:?}");
        match self.conversation.on_binary(bytes.into()) {
            Ok(steps) => self.carry_out(steps),
            Err(malformed) => {
                let _ = writeln!(self.written, "! {malformed}");
            }
        }
    }

    fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Say(packets) => self.hear(packets),
                Step::Ask(request) => {
                    let granted = if request.manner.granted { " (granted)" } else { "" };
                    let _ = match &request.command {
                        Command::Subscribe { topic, since, .. } => {
                            let since = since.map(|since| since.offset);
                            writeln!(self.written, "  subscribe {topic} since {since:?}{granted}")
                        }
                        Command::Unsubscribe { topic } => {
                            writeln!(self.written, "  unsubscribe {topic}{granted}")
                        }
                        Command::Publish {
                            topic, data, event, ..
                        } => {
                            let data = data.as_str();
                            writeln!(self.written, "  publish {topic} {event:?} {data}{granted}")
                        }
                        other => writeln!(self.written, "  {}{granted}", other.name()),
                    };
                    self.asked.push(request);
                }
            }
        }
    }

    fn hear(&mut self, packets: Vec<Out>) {
        for packet in packets {
            let _ = match packet {
                Out::Text(text) => writeln!(self.written, "< {}", String::from_utf8_lossy(&text)),
                Out::Binary(bytes) => writeln!(self.written, "< {bytes:?}"),
            };
        }
    }

    /// What waits in an outbox comes.
    fn record(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write(&mut bytes);
        let mut bytes = Bytes::from(bytes);
        while let Some(record) = Record::next(&mut bytes) {
            let mut out = Vec::new();
            let steps = self.conversation.on_record(record, &mut out);
            self.hear(out);
            self.carry_out(steps);
        }
    }

    /// The oldest request is answered.
    fn answer(&mut self, reply: &Reply) {
        let request = self.asked.remove(0);
        self.record(|out| SocketIo.encode_reply(request.id.as_ref(), reply, out));
    }

    fn subscribed(&mut self, offset: u64, recovered: Option<bool>) {
        let Command::Subscribe { topic, .. } = &self.asked[0].command else {
            panic!("{:?}", self.asked);
        };
        let reply = Reply::Subscribed {
            topic: topic.clone(),
            position: Some(position(offset)),
            recovered,
            snapshot: None,
            roll: None,
        };
        self.answer(&reply);
    }

    fn publish(&mut self, publication: &Publication) {
        self.record(|out| SocketIo.encode_publication(publication, out));
    }
}

fn position(offset: u64) -> Position {
    Position {
        epoch: Epoch::from_wire("0123456789"),
        offset,
        tag: Tag::from_wire("abcdef"),
    }
}

fn publication(name: &str, offset: Option<u64>, event: Option<&str>, data: &str) -> Publication {
    Publication {
        topic: Topic::parse(name).expect("a topic"),
        place: offset.map(|offset| Place {
            position: position(offset),
            previous: Tag::NONE,
        }),
        time_ms: 0,
        body: Body::Message {
            data: RawJson::parse(&Bytes::copy_from_slice(data.as_bytes())).expect("JSON"),
            event: event.map(|event| EventName::parse(event).expect("a name")),
        },
        exclude: None,
        trace: None,
    }
}

#[test]
fn the_game_is_played_as_its_document_says() {
    let mut client = Client::new(App::Mud, false, false);
    client.send("40");
    client.subscribed(0, None);
    client.send(r#"42["join_room",{"room_id":"room1"}]"#);
    client.subscribed(3, None);
    client.send(r#"42["player_action",{"action":"look","data":{},"player_id":"p","room_id":"room1"}]"#);
    client.answer(&Reply::Published { position: None });
    client.publish(&publication(
        "mud:room:room1",
        Some(4),
        None,
        r#"{"action":"look"}"#,
    ));
    client.publish(&publication(
        "mud:world",
        None,
        Some("world_tick"),
        r#"{"tick":1}"#,
    ));
    client.send(r#"427["leave_room",{"room_id":"room1"}]"#);
    client.answer(&Reply::Unsubscribed {
        topic: Topic::parse("mud:room:room1").expect("a topic"),
    });
    client.publish(&publication(
        "mud:room:room1",
        Some(5),
        None,
        r#"{"action":"gone"}"#,
    ));
    // Who acts in a room without being there sees it, too.
    client.send(r#"42["player_action",{"action":"shout","room_id":"room1"}]"#);
    client.answer(&Reply::Published { position: None });
    insta::assert_snapshot!(client.written);
}

#[test]
fn namespaces_rooms_and_answers_of_no_particular_application() {
    let mut client = Client::new(App::Plain, false, false);
    client.send("40");
    client.send("40/chat,");
    client.send("40/nowhere,");
    client.send(r#"42/chat,1["join_room","a room"]"#);
    client.subscribed(0, None);
    client.send(r#"42["publish",{"room":"news","event":"hi","args":[1,"two"]}]"#);
    client.answer(&Reply::Failed(Failure::new(ErrorCode::Forbidden, "not you")));
    client.send(r#"429["join_room",{}]"#);
    client.send(r#"42["what",1]"#);
    client.publish(&publication(
        "chat:a%20room",
        Some(1),
        Some("hi"),
        r#"{"$args":[1,"two"]}"#,
    ));
    client.publish(&publication("chat:a%20room", Some(2), None, "[1]"));
    client.send("41/chat,");
    insta::assert_snapshot!(client.written);
}

#[test]
fn binary_values_are_attachments_outside_and_base64_inside() {
    let mut client = Client::new(App::Plain, false, false);
    client.send("40");
    client.send(r#"451-["publish",{"room":"r","event":"pic","data":{"b":{"_placeholder":true,"num":0}}}]"#);
    client.send_binary(&[1, 2, 255]);
    client.send(r#"42["join_room","r"]"#);
    client.asked.remove(0);
    client.subscribed(0, None);
    client.publish(&publication(
        "r",
        Some(1),
        Some("pic"),
        r#"{"b":{"$binary":"AQL/"}}"#,
    ));
    client.send(r#"451-["publish",{"b":{"_placeholder":true,"num":1}}]"#);
    client.send_binary(&[1]);
    client.send_binary(&[1]);
    insta::assert_snapshot!(client.written);
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed_or_is_told_that_it_is_new() {
    let mut client = Client::new(App::Plain, true, false);
    client.send("40");
    client.send(r#"42["join_room","r"]"#);
    client.subscribed(1, None);
    client.publish(&publication("r", Some(2), Some("e"), "\"text\""));
    for recovered in [true, false] {
        let _ = writeln!(client.written, "--- recovered: {recovered}");
        let mut again = Client::new(App::Plain, true, false);
        again.send(r#"40{"pid":"SECRET.SESSION","offset":"1,r:2.0123456789.abcdef,quiet:"}"#);
        again.subscribed(4, Some(recovered));
        again.publish(&publication("r", Some(3), Some("e"), "3"));
        again.subscribed(0, None);
        again.publish(&publication("r", Some(5), Some("e"), "5"));
        client.written.push_str(&again.written);
    }
    insta::assert_snapshot!(client.written);
}

#[test]
fn who_must_have_a_name_shows_a_token_to_the_namespace() {
    let mut client = Client::new(App::Plain, false, true);
    client.send("40");
    client.send(r#"40{"token":"bad"}"#);
    client.answer(&Reply::Failed(Failure::new(ErrorCode::Unauthorized, "no")));
    client.send(r#"40{"token":"good"}"#);
    client.answer(&Reply::Authenticated {
        user: UserId::parse("ann").expect("valid"),
        expires_at: None,
    });
    client.send("40/chat,");
    insta::assert_snapshot!(client.written);
}

#[test]
fn packets_of_a_poll_stand_between_separators() {
    let body = Bytes::from_static("4hello\u{1e}2\u{1e}bAQI=\u{1e}bAQI\u{1e}4ü".as_bytes());
    let packets = engine::payload(&body).expect("a payload");
    let binary = Packet::Binary(Bytes::from_static(&[1, 2]));
    assert_eq!(packets.len(), 5);
    assert_eq!(packets[0], Packet::Text("hello".into()));
    assert_eq!(packets[1], Packet::Ping(Bytes::new()));
    assert_eq!((&packets[2], &packets[3]), (&binary, &binary));
    let mut written = BytesMut::new();
    for packet in [Out::PING, Out::Binary(vec![1, 2].into()), engine::message(b"0")] {
        engine::append(&mut written, &packet);
    }
    assert_eq!(&written[..], b"2\x1ebAQI=\x1e40");
    for wrong in [&b""[..], b"4a\x1e", b"9", b"abc", b"b!", b"4\xff"] {
        assert!(engine::payload(&Bytes::from_static(wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn packets_that_break_the_rules_end_the_conversation() {
    for wrong in [
        "4",
        "49",
        "4x",
        "42",
        "42{}",
        "42[]",
        "42[null]",
        "42[\"connect\"]",
        "43{}",
        "40[]",
        "41{}",
        "45[\"a\"]",
        "451-",
        "4599-[\"a\"]",
        "42/chat",
        "44{}",
        "42[\"a\"",
        "40",
    ] {
        let mut client = Client::new(App::Plain, false, false);
        client.send("40");
        client.send(wrong);
        assert!(client.written.contains('!'), "{wrong}: {}", client.written);
    }
}

proptest! {
    #[test]
    fn rubbish_does_no_harm(messages in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[0-6][0-6]?[-0-9]{0,3}(/chat,)?[0-9]?[\\[{\"a-z_,:}\\]]{0,20}".prop_map(String::into_bytes),
        ], 0..20))
    {
        let mut client = Client::new(App::Mud, true, false);
        client.send("40");
        for message in messages {
            let bytes = Bytes::from(message);
            let _ = engine::payload(&bytes);
            let mut record = bytes.clone();
            let _ = Record::next(&mut record);
            if let Ok(Packet::Text(text)) = engine::packet(&bytes) {
                let _ = client.conversation.on_text(&text);
            }
            let _ = client.conversation.on_binary(bytes);
        }
    }

    #[test]
    fn what_was_binary_comes_out_as_it_went_in(attachments in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..20), 1..5))
    {
        let placeholders: Vec<String> = (0..attachments.len())
            .map(|number| format!(r#"{{"_placeholder":true,"num":{number}}}"#))
            .collect();
        let array = format!("[\"e\",{}]", placeholders.join(","));
        let data = RawJson::parse(&array.clone().into()).expect("JSON");
        let attachments: Vec<Bytes> = attachments.into_iter().map(Bytes::from).collect();
        let inside = super::binary::fill_in(&data, &attachments).expect("all are there");
        let (outside, taken) = super::binary::take_out(inside.as_bytes()).expect("something binary");
        prop_assert_eq!(String::from_utf8_lossy(&outside), array);
        prop_assert_eq!(taken, attachments);
    }
}
