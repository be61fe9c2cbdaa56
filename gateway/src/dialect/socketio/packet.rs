//! Socket.IO 5: packets of one namespace, as they stand in Engine.IO messages.
//!
//! `<kind>[<attachments>-][<namespace>,][<id>][<JSON>]`, where the namespace `/` is left out.

use std::io::Write;

use bytes::Bytes;
use serde_json::value::RawValue;
use tidegate_shared::json::RawJson;

use super::engine::Malformed;

/// The namespace that a packet without one belongs to.
pub(super) const ROOT: &str = "/";
/// Most attachments of one packet.
pub(super) const ATTACHMENTS: usize = 64;
/// Longest name of a namespace, in bytes.
const NAMESPACE: usize = 255;
/// Names of events that the libraries keep for themselves; from a client they are no events.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

/// A packet of a client, without its attachments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Packet {
    pub(super) kind: Kind,
    pub(super) namespace: Box<str>,
    /// The client wants, or this is, an answer to the packet with this number.
    pub(super) id: Option<u64>,
    pub(super) data: Option<RawJson>,
    /// How many binary packets follow that belong to it. Only events and answers have any.
    pub(super) attachments: usize,
}

/// An event as a client emitted it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) name: Box<str>,
    pub(super) arguments: Vec<RawJson>,
}

impl Packet {
    pub(super) fn parse(text: &Bytes) -> Result<Self, Malformed> {
        let (kind, binary) = match text.first() {
            Some(b'0') => (Kind::Connect, false),
            Some(b'1') => (Kind::Disconnect, false),
            Some(b'2') => (Kind::Event, false),
            Some(b'3') => (Kind::Ack, false),
            Some(b'4') => (Kind::ConnectError, false),
            Some(b'5') => (Kind::Event, true),
            Some(b'6') => (Kind::Ack, true),
            _ => return Err(Malformed("a Socket.IO packet of an unknown kind")),
        };
        let mut rest = text.slice(1..);
        let mut attachments = 0;
        if binary {
            let count = digits(&mut rest).filter(|_| rest.first() == Some(&b'-'));
            attachments = count
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| *count <= ATTACHMENTS)
                .ok_or(Malformed("a binary packet without the number of its attachments"))?;
            rest = rest.slice(1..);
        }
        let namespace = namespace(&mut rest)?;
        let id = digits(&mut rest);
        let data = if rest.is_empty() {
            None
        } else {
            let data = RawJson::parse(&rest).map_err(|_| Malformed("a Socket.IO packet that is no JSON"))?;
            Some(data)
        };
        let first = data.as_ref().and_then(|data| data.as_bytes().first().copied());
        let fits = match kind {
            Kind::Connect => matches!(first, None | Some(b'{')),
            Kind::Disconnect => first.is_none(),
            Kind::Event | Kind::Ack => first == Some(b'['),
            Kind::ConnectError => true,
        };
        if !fits {
            return Err(Malformed("a Socket.IO packet whose data is not of its kind"));
        }
        Ok(Self {
            kind,
            namespace,
            id,
            data,
            attachments,
        })
    }

    /// What an event says; its attachments are in it already.
    pub(super) fn event(&self) -> Result<Event, Malformed> {
        const WRONG: Malformed = Malformed("an event without a name");
        let data = self.data.as_ref().ok_or(WRONG)?;
        let parts: Vec<&RawValue> = serde_json::from_str(data.as_str()).map_err(|_| WRONG)?;
        let mut parts = parts.into_iter();
        let name = parts.next().ok_or(WRONG)?;
        let name: String = match name.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(name.get()).map_err(|_| WRONG)?,
            // Numbers are names of events, too.
            Some(b'0'..=b'9' | b'-') => name.get().to_owned(),
            _ => return Err(WRONG),
        };
        if RESERVED.contains(&name.as_str()) {
            return Err(Malformed("an event with a name that is kept for the library"));
        }
        Ok(Event {
            name: name.into(),
            arguments: parts
                .map(|part| RawJson::trusted(data.as_bytes().slice_ref(part.get().as_bytes())))
                .collect(),
        })
    }
}

fn namespace(rest: &mut Bytes) -> Result<Box<str>, Malformed> {
    if rest.first() != Some(&b'/') {
        return Ok(ROOT.into());
    }
    let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
    let name = std::str::from_utf8(&rest[..end]).map_err(|_| Malformed("a namespace that is no UTF-8"))?;
    if name.len() > NAMESPACE {
        return Err(Malformed("the name of a namespace is too long"));
    }
    // Old clients put a query behind it.
    let name: Box<str> = name.split('?').next().unwrap_or(ROOT).into();
    *rest = rest.slice((end + 1).min(rest.len())..);
    Ok(name)
}

/// A number at the beginning; `None` if there is none, or one of more than 64 bits.
fn digits(rest: &mut Bytes) -> Option<u64> {
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    let number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    *rest = rest.slice(end..);
    Some(number)
}

/// Writes packets of one namespace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) namespace: &'a str,
}

impl Writer<'_> {
    /// `data` is an object.
    pub(super) fn connect(self, data: &[u8]) -> Vec<u8> {
        self.packet(b'0', 0, None, data)
    }

    pub(super) fn connect_error(self, data: &[u8]) -> Vec<u8> {
        self.packet(b'4', 0, None, data)
    }

    pub(super) fn disconnect(self) -> Vec<u8> {
        self.packet(b'1', 0, None, b"")
    }

    /// `array` is the name and the arguments.
    pub(super) fn event(self, array: &[u8], attachments: usize) -> Vec<u8> {
        let kind = if attachments == 0 { b'2' } else { b'5' };
        self.packet(kind, attachments, None, array)
    }

    pub(super) fn ack(self, id: u64, array: &[u8], attachments: usize) -> Vec<u8> {
        let kind = if attachments == 0 { b'3' } else { b'6' };
        self.packet(kind, attachments, Some(id), array)
    }

    fn packet(self, kind: u8, attachments: usize, id: Option<u64>, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.namespace.len() + data.len() + 8);
        out.push(kind);
        // Writing to a vector cannot fail.
        if attachments > 0 {
            let _ = write!(out, "{attachments}-");
        }
        if self.namespace != ROOT {
            let _ = write!(out, "{},", self.namespace);
        }
        if let Some(id) = id {
            let _ = write!(out, "{id}");
        }
        out.extend_from_slice(data);
        out
    }
}
