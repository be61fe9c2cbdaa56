//! How a publication is written into a log and onto a channel: a header line, then its JSON untouched.
//!
//! ```text
//! 1 <kind> <epoch> <offset> <tag> <previous tag> <time> <exclude> <name>\n<data>
//! ```
//!
//! What happens to a job stands in its own log and in its queue's, with the place in each, and is its record (see
//! `record.lua`):
//!
//! ```text
//! 3 <epoch> <tag> <time> <held> <offset> <previous tag> <queue's epoch> <queue's offset> <queue's previous tag>\n<data>
//! ```
//!
//! What comes first has one length, so that scripts need not look for it. `held` is what the job's attempt holds; it
//! is for scripts only, as it has the token. The data is in [`shorthand`](super::shorthand).
//!
//! `kind` is `m` message, `s` set, `r` remove, `x` remove by expiry, `j` job, `i` join, `o` leave; `name`
//! is the message's event or the map's key. Behind the name of a set stands a space and for how many
//! milliseconds the key lives, if not for ever. What is absent is empty; without a log so are the four
//! parts of the place. A removal has the data `null`.
//! Behind `exclude` stand `~` and the `traceparent` of what was published in a trace.
//! Names contain no white space, so the parts can't be confused. `topic.lua` and `job.lua` write the same headers.
//!
//! Private to this backend. Never panics: what it can't read is no publication.

use bytes::{BufMut, Bytes, BytesMut};

use super::shorthand::expand;
use crate::broker::Draft;
use crate::json::RawJson;
use crate::name::{EventName, SessionId, StateKey};
use crate::position::{Epoch, Offset, Position, Tag};
use crate::presence::Member;
use crate::publication::{Body, Place, Publication};
use crate::topic::{Reserved, Topic};
use crate::trace::TraceContext;

/// No header is longer: names have at most 255 bytes, numbers 20, the rest less than 100.
const HEADER_LIMIT: usize = 512;
const PARTS: usize = 9;
/// With how long a key lives.
const PARTS_OF_SET: usize = 10;
const PARTS_OF_JOB: usize = PARTS_OF_SET;

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
    let data = entry.slice(end + 1..);
    if data.is_empty() || std::str::from_utf8(&data).is_err() {
        return Err(Rubbish);
    }
    if (version, count) == ("3", PARTS_OF_JOB) {
        return of_job(topic, &parts, &data).map(|publication| (publication, None));
    }
    let data = RawJson::trusted(data);
    let is_whole = count == PARTS || (count == PARTS_OF_SET && kind == "s");
    if !is_whole || version != "1" {
        return Err(Rubbish);
    }
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

/// What happened to a job, by the parts of its entry.
fn of_job(topic: &Topic, parts: &[&str; PARTS_OF_JOB], data: &Bytes) -> Result<Publication, Rubbish> {
    let [_, epoch, tag, time, _, offset, previous, of_queue @ ..] = *parts;
    let place = match topic.reserved() {
        Some(Reserved::Jobs(_)) => place(of_queue[0], of_queue[1], tag, of_queue[2]),
        _ => place(epoch, offset, tag, previous),
    };
    let record = RawJson::trusted(expand(data).ok_or(Rubbish)?);
    Ok(Publication {
        topic: topic.clone(),
        place: Some(place?.ok_or(Rubbish)?),
        time_ms: number(time)?,
        trace: TraceContext::of_record(&record),
        body: Body::Job { record },
        exclude: None,
    })
}

/// The record of a job, from the entry that it was last told by.
pub(super) fn record(entry: &Bytes) -> Option<RawJson> {
    let end = entry.iter().position(|&byte| byte == b'\n')?;
    expand(&entry.slice(end + 1..)).map(RawJson::trusted)
}

/// The top of a job's log, from the entry that it was last told by.
pub(super) fn top(entry: &str) -> Option<Position> {
    let mut parts = entry.split(' ');
    if parts.next() != Some("3") {
        return None;
    }
    let (epoch, tag) = (parts.next()?, parts.next()?);
    let offset = parts.nth(2)?;
    place(epoch, offset, tag, "").ok()?.map(|place| place.position)
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
mod tests;
