use std::sync::Arc;

use proptest::prelude::*;
use tidegate_shared::json::RawJson;
use tidegate_shared::position::{Epoch, Offset, Tag};
use tidegate_shared::publication::{Body, Place};

use super::*;
use crate::dialect::Format;
use crate::outbox::FramesBuilder;

fn topic(name: &str) -> Topic {
    Topic::parse(name).expect("valid")
}

fn position(offset: Offset) -> Position {
    Position {
        epoch: Epoch::from_wire("abcdefghij"),
        offset,
        tag: if offset == 0 {
            Tag::NONE
        } else {
            Tag::from_wire("klmnop")
        },
    }
}

fn publication(on: &str, offset: Offset, data: &str) -> Publication {
    Publication {
        topic: topic(on),
        place: (offset > 0).then(|| Place {
            position: position(offset),
            previous: Tag::NONE,
        }),
        time_ms: 7,
        body: Body::Message {
            data: RawJson::parse(&Bytes::from(data.to_owned())).expect("JSON"),
            event: None,
        },
        exclude: None,
        trace: None,
    }
}

fn blocks(of: &[Publication]) -> Bytes {
    let mut builder = FramesBuilder::new(Format::EVENTS);
    for one in of {
        builder.add(|out| Events.encode_publication(one, out));
    }
    builder.finish().expect("something").into_bytes()
}

/// The cursor of each block that has one.
fn ids(blocks: &Bytes) -> Vec<String> {
    std::str::from_utf8(blocks)
        .expect("UTF-8")
        .lines()
        .filter_map(|line| line.strip_prefix("id: ").map(str::to_owned))
        .collect()
}

#[test]
fn a_message_is_a_block_with_a_cursor_and_the_native_push() {
    let text = blocks(&[publication("a", 3, "{\"x\":\n\r\n1}")]);
    let text = std::str::from_utf8(&text).expect("UTF-8");
    let (id, data) = text.split_once('\n').expect("two lines");
    assert!(id.starts_with("id: 1."), "{id}");
    assert_eq!(
        data,
        "data: {\"type\":\"message\",\"topic\":\"a\",\"data\":{\"x\":   1},\"offset\":3,\"tag\":\"klmnop\",\"time\":7}\n\n"
    );
}

#[test]
fn a_message_without_a_place_has_no_cursor() {
    let text = blocks(&[publication("a", 0, "1")]);
    assert!(text.starts_with(b"data: "), "{text:?}");
}

#[test]
fn what_was_recovered_has_no_cursor_before_it_has_come() {
    let mut out = Vec::new();
    let mut reply = Reply::Subscribed {
        topic: topic("a"),
        position: Some(position(9)),
        recovered: Some(true),
        snapshot: None,
        roll: None,
    };
    Events.encode_reply(None, &reply, &mut out);
    assert!(out.starts_with(b"data: {\"type\":\"subscribed\""));
    if let Reply::Subscribed { recovered, .. } = &mut reply {
        *recovered = Some(false);
    }
    out.clear();
    Events.encode_reply(None, &reply, &mut out);
    let id = ids(&out.into()).pop().expect("a cursor");
    let cursor = Cursor::parse(&id).expect("ours");
    assert_eq!(cursor.position(&topic("a")), Some(position(9)));
}

#[test]
fn merged_cursors_name_every_topic_as_of_their_block() {
    let shared = blocks(&[
        publication("a", 1, "1"),
        publication("a", 2, "1"),
        publication("b", 7, "1"),
        publication("c", 0, "1"),
        publication("a", 3, "1"),
    ]);
    let start = Cursor::parse(&ids(&blocks(&[publication("b", 6, "1")]))[0]).expect("ours");
    let merged = Merger::new(start).merge(&shared);
    let seen: Vec<_> = ids(&merged)
        .iter()
        .map(|id| {
            let cursor = Cursor::parse(id).expect("ours");
            ["a", "b", "c"].map(|name| cursor.position(&topic(name)).map(|at| at.offset))
        })
        .collect();
    assert_eq!(
        seen,
        [
            [Some(1), Some(6), None],
            [Some(2), Some(6), None],
            [Some(2), Some(7), None],
            [Some(3), Some(7), None],
        ]
    );
    let without_ids = |blocks: &Bytes| {
        let text = String::from_utf8(blocks.to_vec()).expect("UTF-8");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("id:")).collect();
        lines.join("\n")
    };
    assert_eq!(without_ids(&merged), without_ids(&shared));
}

#[test]
fn a_cursor_of_the_most_topics_fits_into_a_header_line() {
    let all: Vec<_> = (0..Cursor::TOPICS)
        .map(|number| publication(&format!("t:{number}"), Offset::MAX, "1"))
        .collect();
    let merged = Merger::new(Cursor::default()).merge(&blocks(&all));
    let last = ids(&merged).pop().expect("a cursor");
    assert!(last.len() < Cursor::LIMIT, "{} bytes", last.len());
    let cursor = Cursor::parse(&last).expect("ours");
    for one in &all {
        assert_eq!(cursor.position(&one.topic), Some(position(Offset::MAX)));
    }
}

#[test]
fn what_is_no_cursor_is_told() {
    let good = ids(&blocks(&[publication("a", 300, "1")])).remove(0);
    assert!(Cursor::parse(&good).is_some());
    for bad in [
        "",
        "2.x",
        "1.*",
        "1.AAAA",
        "x",
        &good[..good.len() - 2],
        &good[1..],
    ] {
        assert_eq!(Cursor::parse(bad), None, "{bad}");
    }
    assert_eq!(Cursor::parse(&"1.".repeat(Cursor::LIMIT)), None);
}

proptest! {
    #[test]
    fn a_cursor_survives_its_way(offset in any::<Offset>(), name in "[a-z:]{1,20}") {
        let shared = Arc::new(publication(&name, offset.max(1), "1"));
        let id = ids(&blocks(std::slice::from_ref(&shared))).remove(0);
        let cursor = Cursor::parse(&id).expect("ours");
        prop_assert_eq!(cursor.position(&shared.topic), Some(position(offset.max(1))));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "1?(\\.[A-Za-z0-9_-]{0,60}){0,4}") {
        let _ = Cursor::parse(&text);
    }
}
