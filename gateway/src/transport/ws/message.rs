//! What comes out of the decoder.

use std::fmt;

use bytes::Bytes;

/// A whole message or control frame from the client.
#[derive(Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Checked: this is UTF-8.
    Text(Bytes),
    Binary(Bytes),
    /// To be answered by a pong with the same payload.
    Ping(Bytes),
    Pong(Bytes),
    /// The code and the reason (checked: UTF-8), if the client gave any. Nothing comes after it.
    Close(Option<(u16, Bytes)>),
}

/// Sizes only: payloads do not belong in logs.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(payload) => write!(f, "Text({} bytes)", payload.len()),
            Self::Binary(payload) => write!(f, "Binary({} bytes)", payload.len()),
            Self::Ping(payload) => write!(f, "Ping({} bytes)", payload.len()),
            Self::Pong(payload) => write!(f, "Pong({} bytes)", payload.len()),
            Self::Close(None) => write!(f, "Close"),
            Self::Close(Some((code, _))) => write!(f, "Close({code})"),
        }
    }
}
