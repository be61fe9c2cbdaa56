//! Engine.IO 4: packets, and how several of them share the body of a polling request.
//!
//! A packet is a digit and what follows it. Over polling packets stand between record separators, which
//! JSON texts cannot contain, and binary ones are written in base64 after a `b`. Over a WebSocket each
//! packet is a message of its own, binary ones as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{Bytes, BytesMut};
use serde::Serialize;
use thiserror::Error;

/// The version that is spoken here, as clients name it in `EIO`.
pub const VERSION: &str = "4";
/// Stands between the packets of a polling body.
pub const SEPARATOR: u8 = 0x1e;
/// The packet that a client sends over a WebSocket to try it, and the answer.
pub const PROBE: &[u8] = b"probe";

const OPEN: u8 = b'0';
const CLOSE: u8 = b'1';
const PING: u8 = b'2';
const PONG: u8 = b'3';
const MESSAGE: u8 = b'4';
const UPGRADE: u8 = b'5';
const NOOP: u8 = b'6';
/// What a binary packet begins with in a polling body.
const BINARY: u8 = b'b';

/// Clients may leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A packet from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Close,
    /// With what came after the digit.
    Ping(Bytes),
    Pong,
    /// A Socket.IO packet, or the first part of one.
    Text(Bytes),
    /// An attachment.
    Binary(Bytes),
    Upgrade,
    Noop,
}

/// Why what came is no packet. The client is cut off: it cannot know what was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// A packet on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// With its digit.
    Text(Bytes),
    Binary(Bytes),
}

impl Out {
    pub const CLOSE: Self = Self::Text(Bytes::from_static(b"1"));
    pub const PING: Self = Self::Text(Bytes::from_static(b"2"));
    pub const PROBED: Self = Self::Text(Bytes::from_static(b"3probe"));
    pub const NOOP: Self = Self::Text(Bytes::from_static(b"6"));

    /// Bytes that it takes on the wire, without framing.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len().div_ceil(3) * 4 + 1,
        }
    }
}

/// What the first packet tells a client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Greeting<'a> {
    pub sid: &'a str,
    pub upgrades: &'a [&'a str],
    /// Milliseconds between the server's pings.
    pub ping_interval: u64,
    /// Milliseconds that an answer to a ping may take.
    pub ping_timeout: u64,
    /// Most bytes of a polling body or a message.
    pub max_payload: usize,
}

impl Greeting<'_> {
    pub fn packet(&self) -> Out {
        let mut text = vec![OPEN];
        // Texts and numbers always serialise.
        text.extend(serde_json::to_vec(self).unwrap_or_default());
        Out::Text(text.into())
    }
}

/// A Socket.IO packet as an Engine.IO one.
pub fn message(packet: &[u8]) -> Out {
    let mut text = BytesMut::with_capacity(packet.len() + 1);
    text.extend_from_slice(&[MESSAGE]);
    text.extend_from_slice(packet);
    Out::Text(text.freeze())
}

/// Reads a text message of a WebSocket, or one text packet of a polling body.
pub fn packet(text: &Bytes) -> Result<Packet, Malformed> {
    let Some(kind) = text.first() else {
        return Err(Malformed("an empty packet"));
    };
    let rest = text.slice(1..);
    match *kind {
        CLOSE => Ok(Packet::Close),
        PING => Ok(Packet::Ping(rest)),
        PONG => Ok(Packet::Pong),
        MESSAGE => Ok(Packet::Text(rest)),
        UPGRADE => Ok(Packet::Upgrade),
        NOOP => Ok(Packet::Noop),
        _ => Err(Malformed("a packet of an unknown kind")),
    }
}

/// Reads the body of a polling request.
pub fn payload(body: &Bytes) -> Result<Vec<Packet>, Malformed> {
    body.split(|byte| *byte == SEPARATOR)
        .map(|part| {
            let part = body.slice_ref(part);
            match part.first() {
                Some(&BINARY) => LENIENT
                    .decode(part.slice(1..))
                    .map(|bytes| Packet::Binary(bytes.into()))
                    .map_err(|_| Malformed("a binary packet that is no base64")),
                _ if std::str::from_utf8(&part).is_err() => Err(Malformed("a packet that is no UTF-8")),
                _ => packet(&part),
            }
        })
        .collect()
}

/// Appends a packet to the body of an answer to a poll.
pub fn append(body: &mut BytesMut, packet: &Out) {
    if !body.is_empty() {
        body.extend_from_slice(&[SEPARATOR]);
    }
    match packet {
        Out::Text(text) => body.extend_from_slice(text),
        Out::Binary(bytes) => {
            body.extend_from_slice(&[BINARY]);
            body.extend_from_slice(STANDARD.encode(bytes).as_bytes());
        }
    }
}
