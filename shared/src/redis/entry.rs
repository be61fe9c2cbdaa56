//! How a publication is written into a log and onto a channel: a header line, then its JSON untouched.
//!
//! ```text
//! 1 <kind> <epoch> <offset> <tag> <previous tag> <time> <exclude> <name>\n<data>
//! ```
//!
//! `kind` is `m` message, `s` set, `r` remove, `x` remove by expiry, `j` job, `i` join, `o` leave; `name`
//! is the message's event or the map's key. Behind the name of a set stands a space and for how many
//! milliseconds the key lives, if not for ever. What is absent is empty; without a log so are the four
//! parts of the place. A removal has the data `null`.
//! Behind `exclude` stand `~` and the `traceparent` of what was published in a trace.
//! Names contain no white space, so the parts can't be confused. `topic.lua` writes the same header.
//!
//! Private to this backend. Never panics: what it can't read is no publication.

use bytes::{BufMut, Bytes, BytesMut};

use crate::broker::Draft;
use crate::json::RawJson;
use crate::name::{EventName, SessionId, StateKey};
use crate::position::{Epoch, Offset, Position, Tag};
use crate::presence::Member;
use crate::publication::{Body, Place, Publication};
use crate::topic::Topic;
use crate::trace::TraceContext;

/// No header is longer: names have at most 255 bytes, numbers 20, the rest less than 100.
const HEADER_LIMIT: usize = 512;
const PARTS: usize = 9;
/// With how long a key lives.
const PARTS_OF_SET: usize = 10;

/// What goes with a publication besides its body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Aside {
    exclude: Option<SessionId>,
    trace: Option<TraceContext>,
}

impl Aside {
    pub(super) fn of(draft: &Draft) -> Self {
        Self {
            exclude: draft.exclude,
            trace: draft.trace,
        }
    }
}

/// What comes after the time: `exclude name\ndata`. Scripts put the rest before it.
pub(super) fn tail(aside: Aside, name: &str, data: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(34 + name.len() + data.len());
    if let Some(session) = aside.exclude {
        bytes.put_slice(session.to_string().as_bytes());
    }
    if let Some(trace) = aside.trace {
        bytes.put_u8(b'~');
        bytes.put_slice(trace.to_string().as_bytes());
    }
    bytes.put_u8(b' ');
    bytes.put_slice(name.as_bytes());
    bytes.put_u8(b'\n');
    bytes.put_slice(data);
    bytes.freeze()
}

/// A whole entry of a message on a topic without a log.
pub(super) fn unplaced(time_ms: u64, tail: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(32 + tail.len());
    bytes.put_slice(b"1 m     ");
    bytes.put_slice(time_ms.to_string().as_bytes());
    bytes.put_u8(b' ');
    bytes.put_slice(tail);
    bytes.freeze()
}

/// The tail of a set key that lives for so many milliseconds; 0: for ever.
pub(super) fn tail_of_set(aside: Aside, key: &StateKey, ttl_ms: i64, value: &[u8]) -> Bytes {
    if ttl_ms == 0 {
        tail(aside, key.as_str(), value)
    } else {
        tail(aside, &format!("{key} {ttl_ms}"), value)
    }
}

/// Reads an entry; its data shares the bytes. `None` if it was not written by this backend.
pub(super) fn decode(topic: &Topic, entry: &Bytes) -> Option<Publication> {
    read(topic, entry).ok().map(|(publication, _)| publication)
}

/// The same, and when the key ends that it sets, in milliseconds since 1970 by Redis's clock.
pub(super) fn decode_with_end(topic: &Topic, entry: &Bytes) -> Option<(Publication, Option<u64>)> {
    read(topic, entry).ok()
}

/// Not of our making.
struct Rubbish;

fn read(topic: &Topic, entry: &Bytes) -> Result<(Publication, Option<u64>), Rubbish> {
    let window = &entry[..entry.len().min(HEADER_LIMIT)];
    let end = window.iter().position(|&byte| byte == b'\n').ok_or(Rubbish)?;
    let header = std::str::from_utf8(&window[..end]).map_err(|_| Rubbish)?;
    let mut parts = [""; PARTS_OF_SET];
    let mut count = 0;
    for part in header.split(' ') {
        *parts.get_mut(count).ok_or(Rubbish)? = part;
        count += 1;
    }
    let [
        version,
        kind,
        epoch,
        offset,
        tag,
        previous,
        time,
        exclude,
        name,
        ttl,
    ] = parts;
    let is_whole = count == PARTS || (count == PARTS_OF_SET && kind == "s");
    let data = entry.slice(end + 1..);
    if !is_whole || version != "1" || data.is_empty() || std::str::from_utf8(&data).is_err() {
        return Err(Rubbish);
    }
    let data = RawJson::trusted(data);
    let key = || StateKey::parse(name).map_err(|_| Rubbish);
    let body = match kind {
        "m" => Body::Message {
            data,
            event: optional(name, |name| EventName::parse(name).ok())?,
        },
        "s" => Body::Set {
            key: key()?,
            value: data,
        },
        "r" | "x" => Body::Remove {
            key: key()?,
            expired: kind == "x",
        },
        "j" => Body::Job { record: data },
        "i" => Body::Join {
            member: member(&data)?,
        },
        "o" => Body::Leave {
            member: member(&data)?,
        },
        _ => return Err(Rubbish),
    };
    let (exclude, trace) = exclude.split_once('~').unwrap_or((exclude, ""));
    let trace = match &body {
        Body::Job { record } => TraceContext::of_record(record),
        _ => optional(trace, TraceContext::parse)?,
    };
    let time_ms = number(time)?;
    let end = match count {
        PARTS_OF_SET => Some(time_ms.saturating_add(number(ttl)?)),
        _ => None,
    };
    let publication = Publication {
        topic: topic.clone(),
        place: place(epoch, offset, tag, previous)?,
        time_ms,
        body,
        exclude: optional(exclude, SessionId::parse)?,
        trace,
    };
    Ok((publication, end))
}

fn member(data: &RawJson) -> Result<Member, Rubbish> {
    serde_json::from_str(data.as_str()).map_err(|_| Rubbish)
}

fn place(epoch: &str, offset: &str, tag: &str, previous: &str) -> Result<Option<Place>, Rubbish> {
    if [epoch, offset, tag, previous].iter().all(|part| part.is_empty()) {
        return Ok(None);
    }
    let offset: Offset = number(offset)?;
    if offset == 0 {
        return Err(Rubbish);
    }
    let tag_of = |text: &str| token(text, Tag::from_wire, Tag::as_str);
    Ok(Some(Place {
        position: Position {
            epoch: token(epoch, Epoch::from_wire, Epoch::as_str)?,
            offset,
            tag: tag_of(tag)?,
        },
        previous: optional(previous, |text| tag_of(text).ok())?.unwrap_or(Tag::NONE),
    }))
}

/// A token of our making: one that reads back as it was written.
fn token<T>(text: &str, read: impl Fn(&str) -> T, write: impl Fn(&T) -> &str) -> Result<T, Rubbish> {
    let token = read(text);
    let same = !text.is_empty() && write(&token) == text && !text.contains('?');
    if same { Ok(token) } else { Err(Rubbish) }
}

fn optional<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Rubbish> {
    if text.is_empty() {
        return Ok(None);
    }
    parse(text).map(Some).ok_or(Rubbish)
}

/// Decimal digits only: no sign, as `u64::from_str` would take.
fn number(text: &str) -> Result<u64, Rubbish> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| Rubbish)
    } else {
        Err(Rubbish)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
}
