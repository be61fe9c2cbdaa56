//! What waits in an outbox for a Socket.IO client: a publication, a reply or a word of the server, in a
//! form that is the same for all its receivers. Which namespaces of a connection get it, and under which
//! cursor, is found out when it is taken.
//!
//! A record is a count of parts, and each part with its length before it.

use bytes::{Buf, BufMut, Bytes};
use tidegate_shared::position::{Epoch, Position, Tag};
use tidegate_shared::topic::Topic;

use super::engine::Out;

#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// To be written as it is.
    Say(Vec<Out>),
    Event(Event),
    Reply(Answer),
    /// The server has subscribed the client to this topic, or (`false`) ended that.
    Announced(Topic, bool),
}

/// An event for those who follow a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `None`: for everybody.
    pub topic: Option<Topic>,
    /// Where the client stands with it.
    pub place: Option<Position>,
    /// The name and the arguments.
    pub array: Bytes,
    pub attachments: Vec<Bytes>,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub id: u64,
    pub is_failure: bool,
    pub place: Option<Position>,
    pub recovered: Option<bool>,
    /// As the native dialect writes it.
    pub json: Bytes,
}

const SAY: &[u8] = b"s";
const EVENT: &[u8] = b"e";
const REPLY: &[u8] = b"r";
const SUBSCRIBED: &[u8] = b"+";
const UNSUBSCRIBED: &[u8] = b"-";

impl Record {
    pub fn append(&self, out: &mut Vec<u8>) {
        match self {
            Self::Say(packets) => {
                let mut parts = vec![SAY];
                for packet in packets {
                    let (kind, bytes): (&[u8], _) = match packet {
                        Out::Text(text) => (b"t", text),
                        Out::Binary(bytes) => (b"b", bytes),
                    };
                    parts.extend([kind, bytes]);
                }
                append(&parts, out);
            }
            Self::Event(event) => {
                let place = event.place.map(show).unwrap_or_default();
                let topic = event.topic.as_ref().map_or("", Topic::as_str);
                let mut parts = vec![EVENT, topic.as_bytes(), place.as_bytes(), &event.array];
                parts.extend(event.attachments.iter().map(|one| &one[..]));
                append(&parts, out);
            }
            Self::Reply(answer) => {
                let place = answer.place.map(show).unwrap_or_default();
                let recovered: &[u8] = match answer.recovered {
                    None => b"",
                    Some(true) => b"y",
                    Some(false) => b"n",
                };
                let is_failure: &[u8] = if answer.is_failure { b"f" } else { b"" };
                let id = answer.id.to_string();
                let parts = [
                    REPLY,
                    id.as_bytes(),
                    is_failure,
                    place.as_bytes(),
                    recovered,
                    &answer.json,
                ];
                append(&parts, out);
            }
            Self::Announced(topic, is_subscribed) => {
                let kind = if *is_subscribed { SUBSCRIBED } else { UNSUBSCRIBED };
                append(&[kind, topic.as_str().as_bytes()], out);
            }
        }
    }

    /// The next record of what was appended; `None` at the end.
    pub fn next(bytes: &mut Bytes) -> Option<Self> {
        let mut parts = read(bytes)?.into_iter();
        let kind = parts.next()?;
        match &kind[..] {
            SAY => {
                let mut packets = Vec::new();
                while let (Some(kind), Some(bytes)) = (parts.next(), parts.next()) {
                    packets.push(if kind == "t" {
                        Out::Text(bytes)
                    } else {
                        Out::Binary(bytes)
                    });
                }
                Some(Self::Say(packets))
            }
            EVENT => Some(Self::Event(Event {
                topic: topic(&parts.next()?),
                place: place(&parts.next()?),
                array: parts.next()?,
                attachments: parts.collect(),
            })),
            REPLY => Some(Self::Reply(Answer {
                id: std::str::from_utf8(&parts.next()?).ok()?.parse().ok()?,
                is_failure: !parts.next()?.is_empty(),
                place: place(&parts.next()?),
                recovered: parts.next()?.first().map(|one| *one == b'y'),
                json: parts.next()?,
            })),
            SUBSCRIBED => topic(&parts.next()?).map(|topic| Self::Announced(topic, true)),
            UNSUBSCRIBED => topic(&parts.next()?).map(|topic| Self::Announced(topic, false)),
            _ => None,
        }
    }
}

fn append(parts: &[&[u8]], out: &mut Vec<u8>) {
    out.put_u32(u32::try_from(parts.len()).unwrap_or(u32::MAX));
    for part in parts {
        // Nothing in an outbox is as long.
        out.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(part);
    }
}

fn read(bytes: &mut Bytes) -> Option<Vec<Bytes>> {
    let count = bytes.try_get_u32().ok()?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
        if length > bytes.len() {
            return None;
        }
        parts.push(bytes.split_to(length));
    }
    Some(parts)
}

fn topic(text: &[u8]) -> Option<Topic> {
    Topic::parse(std::str::from_utf8(text).ok()?).ok()
}

/// A position as text without commas and colons.
pub(super) fn show(position: Position) -> String {
    format!("{}.{}.{}", position.offset, position.epoch, position.tag)
}

/// What [`show`] wrote. `None` if it is something else.
pub(super) fn place(text: &[u8]) -> Option<Position> {
    let mut parts = std::str::from_utf8(text).ok()?.splitn(3, '.');
    Some(Position {
        offset: parts.next()?.parse().ok()?,
        epoch: Epoch::from_wire(parts.next()?),
        tag: Tag::from_wire(parts.next()?),
    })
}
