//! Entries that are written and read, damaged ones, and such as nobody wrote.

use proptest::prelude::*;

use super::*;
use crate::job::JobId;
use crate::name::QueueName;

fn topic() -> Topic {
    Topic::parse("chat:a").expect("valid")
}

/// As `topic.lua` writes it.
fn placed(kind: &str, place: &Place, time_ms: u64, tail: &[u8]) -> Bytes {
    let Position { epoch, offset, tag } = place.position;
    let mut bytes = format!("1 {kind} {epoch} {offset} {tag} {} {time_ms} ", place.previous).into_bytes();
    bytes.extend_from_slice(tail);
    bytes.into()
}

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

proptest! {
    #[test]
    fn what_is_written_is_read_back_untouched(
        offset in 1..=u64::MAX,
        first in any::<bool>(),
        has_place in any::<bool>(),
        time_ms in any::<u64>(),
        event in proptest::option::of("[a-zä/:.-]{1,40}"),
        text in ".{0,200}",
        excluded in any::<bool>(),
        traced in any::<bool>(),
    ) {
        let data = RawJson::of(&text).expect("valid");
        let exclude = excluded.then(SessionId::new);
        let trace = traced.then(|| TraceContext::parse(TRACE).expect("valid"));
        let event = event.map(|event| EventName::parse(&event).expect("valid"));
        let tail = tail(Aside { exclude, trace }, event.as_ref().map_or("", EventName::as_str), data.as_bytes());
        let place = has_place.then(|| Place {
            position: Position { epoch: Epoch::random(), offset, tag: Tag::random() },
            previous: if first { Tag::NONE } else { Tag::random() },
        });
        let bytes = match &place {
            Some(place) => placed("m", place, time_ms, &tail),
            None => unplaced(time_ms, &tail),
        };
        let expected = Publication {
            topic: topic(), place, time_ms, body: Body::Message { data, event }, exclude, trace,
        };
        prop_assert_eq!(decode(&topic(), &bytes), Some(expected));
    }

    #[test]
    fn rubbish_is_no_publication_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(decode(&topic(), &bytes.into()), None);
    }

    /// Whatever one changed byte makes of an entry, it is read as something or refused.
    #[test]
    fn a_damaged_entry_does_not_panic(at in 0..80_usize, byte in any::<u8>(), cut in 0..90_usize) {
        let place = Place { position: Position { epoch: Epoch::random(), offset: 7, tag: Tag::random() }, previous: Tag::random() };
        let mut bytes = placed("m", &place, 1, &tail(Aside { exclude: Some(SessionId::new()), trace: None }, "event", b"{\"a\":1}")).to_vec();
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        bytes.truncate(cut);
        let _ = decode(&topic(), &bytes.into());
    }
}

#[test]
fn every_kind_of_body_is_read() {
    let place = Place {
        position: Position {
            epoch: Epoch::random(),
            offset: 1,
            tag: Tag::random(),
        },
        previous: Tag::NONE,
    };
    let body = |kind, name| {
        decode(
            &topic(),
            &placed(kind, &place, 1, &tail(Aside::default(), name, b"1")),
        )
        .map(|one| one.body)
    };
    let key = StateKey::parse("k").expect("valid");
    let one = RawJson::of(&1).expect("valid");
    assert_eq!(
        body("s", "k"),
        Some(Body::Set {
            key: key.clone(),
            value: one.clone()
        })
    );
    assert_eq!(
        body("r", "k"),
        Some(Body::Remove {
            key: key.clone(),
            expired: false
        })
    );
    assert_eq!(body("x", "k"), Some(Body::Remove { key, expired: true }));
    assert_eq!(body("j", ""), Some(Body::Job { record: one }));
    assert_eq!(body("s", ""), None, "a key is never empty");
    for name in ["k 5 6", "k x", "k -1", "k "] {
        assert_eq!(body("s", name), None, "{name:?}");
    }
    assert_eq!(body("m", "k 5"), None, "only keys have a time to live");
    assert_eq!(body("i", ""), None, "1 is no member");
    assert_eq!(body("?", ""), None);
}

#[test]
fn an_entry_says_when_its_key_ends() {
    let key = StateKey::parse("k").expect("valid");
    let place = Place {
        position: Position {
            epoch: Epoch::random(),
            offset: 1,
            tag: Tag::random(),
        },
        previous: Tag::NONE,
    };
    for (ttl, end) in [(0, None), (5_000, Some(6_000))] {
        let tail = tail_of_set(Aside::default(), &key, ttl, b"1");
        let read = decode_with_end(&topic(), &placed("s", &place, 1_000, &tail));
        assert_eq!(read.expect("an entry").1, end);
    }
}

#[test]
fn what_happens_to_a_job_has_a_place_in_its_own_log_and_in_its_queues() {
    let queue = QueueName::parse("q").expect("valid");
    let own = Topic::of_job(&JobId::new(&queue));
    let entry = |header: &'static str| Bytes::from(format!("{header}\n{{\"state\":\"queued\"\x12\x13}}"));
    let whole = entry("3 aaaaaaaaaa abcdef 1763000000000 succeed:0123 1  bbbbbbbbbb 7 fedcba");
    let data = "{\"state\":\"queued\",\"finished_at\":null}";
    let read = |topic: &Topic| {
        let publication = decode(topic, &whole).expect("an entry");
        let place = publication.place.expect("a place");
        let Position { epoch, offset, tag } = place.position;
        let tags = format!("{epoch} {offset} {tag} {}", place.previous);
        assert!(matches!(publication.body, Body::Job { record } if record.as_str() == data));
        tags
    };
    assert_eq!(read(&own), "aaaaaaaaaa 1 abcdef ");
    assert_eq!(read(&Topic::of_queue(&queue)), "bbbbbbbbbb 7 abcdef fedcba");
    assert_eq!(record(&whole).as_ref().map(RawJson::as_str), Some(data));
    let position =
        |text: &str| top(text).map(|Position { epoch, offset, tag }| format!("{epoch} {offset} {tag}"));
    let text = std::str::from_utf8(&whole).expect("a text");
    assert_eq!(position(text).as_deref(), Some("aaaaaaaaaa 1 abcdef"));
    for damaged in [
        "2 aaaaaaaaaa abcdef 1763000000000 - 1  bbbbbbbbbb 7 fedcba",
        "3 aaaaaaaaaa abcdef 1763000000000 - 1  bbbbbbbbbb 7",
        "3 aaaaaaaaaa abcdef 1763000000000 - 0  bbbbbbbbbb 7 fedcba",
        "3 aaaaaaaaaa  1763000000000 - 1  bbbbbbbbbb 7 fedcba",
        "3   1763000000000      ",
    ] {
        assert_eq!(decode(&own, &entry(damaged)), None, "{damaged:?}");
    }
    for rubbish in [
        "",
        "3",
        "3 aaaaaaaaaa abcdef 1763000000000 -",
        "3 aaaaaaaaaa abcdef 1763000000000 - 0 ",
    ] {
        assert_eq!(top(rubbish), None, "{rubbish:?}");
    }
    assert_eq!(
        decode(
            &own,
            &Bytes::from_static(b"3 aaaaaaaaaa abcdef 1 - 1  bbbbbbbbbb 7 fedcba\n\x1f")
        ),
        None
    );
}

#[test]
fn the_data_shares_the_bytes_of_the_entry() {
    let bytes = unplaced(1, &tail(Aside::default(), "", b"\"x\""));
    let Some(Publication {
        body: Body::Message { data, .. },
        ..
    }) = decode(&topic(), &bytes)
    else {
        panic!("not read");
    };
    assert_eq!(data.as_bytes().as_ptr(), bytes[bytes.len() - 3..].as_ptr());
}
