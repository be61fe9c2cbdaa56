//! The wire formats that clients speak, as pure functions: bytes to [`Request`], [`Reply`] and [`Push`]
//! to bytes.
//!
//! The only place where JSON meets the wire. No I/O, no clock, no knowledge of sockets or Redis; no
//! input makes a decoder panic.

mod command;
mod decoded;
pub mod events;
pub mod feed;
mod fields;
mod format;
mod json;
pub(crate) mod message_pack;
pub mod native;
mod nearest;
mod push;
mod reply;
pub mod rooms;
pub mod rpc;
#[cfg(test)]
mod samples;
pub mod socketio;
mod speaker;
pub mod sync;
mod table;
pub mod tasks;

pub use command::{CallRequest, Command, DecodeError, JobRequest, Manner, Request, RequestId};
pub use decoded::Decoded;
pub use format::{Compression, Encoding, Format};
pub use push::{Goodbye, Push, Welcome};
pub use reply::{Failure, Reply, Roll};
pub use speaker::{Entrance, Speaker};
pub use table::TABLE;

use std::time::Duration;

use bytes::Bytes;
use tidegate_shared::publication::Publication;

/// One wire format. Has no state: what a connection has been through is its session's, and what it came
/// with is handed to it as a [`Speaker`].
///
/// Whatever is written as a message may be nothing: then nothing is sent. So a dialect leaves out what
/// its clients would not understand.
pub trait Dialect: Send + Sync + 'static {
    /// Its name in the configuration and in metrics.
    fn name(&self) -> &'static str;

    /// The application whose clients speak it, where an endpoint names none.
    fn app(&self) -> &'static str {
        ""
    }

    /// What its messages are carried in, where no subprotocol says otherwise.
    fn encoding(&self) -> Encoding {
        Encoding::Text
    }

    /// The subprotocols that a client may ask for, and what messages are carried in then.
    fn protocols(&self) -> &'static [(&'static str, Encoding)] {
        &[]
    }

    /// Whether messages may be compressed for clients that offer it.
    fn may_compress(&self) -> bool {
        true
    }

    /// The HTTP status of a handshake that is refused for its token or for want of one, or for its origin.
    fn refusal(&self) -> Refusal {
        Refusal::Usual
    }

    /// Whether there is anything behind this entrance; if not, the handshake is answered 404.
    fn admits(&self, entrance: &Entrance) -> bool {
        let _ = entrance;
        true
    }

    /// Whether a token that is not good is as none, where none is needed.
    fn forgives(&self, entrance: &Entrance) -> bool {
        let _ = entrance;
        false
    }

    /// How long a client that shows nothing of who it is in the handshake may take to say so by its first
    /// message. `None`: it comes in as nobody or not at all.
    fn introduction(&self) -> Option<Duration> {
        None
    }

    /// A cookie that has its clients' tokens, beside the usual one. One that does not count is overlooked.
    fn cookie(&self) -> Option<&'static str> {
        None
    }

    /// Whether its clients get their tokens from the gateway, at `auth/token` beside the endpoint.
    fn hands_out_tokens(&self) -> bool {
        false
    }

    /// Whether its clients choose by name what they hear of topics they follow. See [`Command::Choose`].
    fn chooses(&self) -> bool {
        false
    }

    /// The name that a client must have chosen to hear this. `None`: all who follow its topic do.
    fn choice<'a>(&self, publication: &'a Publication) -> Option<&'a str> {
        let _ = publication;
        None
    }

    /// Whether its connections can be subscribed to topics by others than their clients.
    fn takes_orders(&self) -> bool {
        true
    }

    /// What is done for a client before anything of it is read, one after the other.
    fn on_connect(&self, speaker: &Speaker<'_>) -> Vec<Request> {
        let _ = speaker;
        Vec::new()
    }

    /// Reads one message. What it returns may share the message's bytes.
    fn decode(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError>;

    /// Reads a binary message.
    fn decode_binary(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        let _ = (message, speaker);
        Err(DecodeError::rubbish(
            None,
            "binary messages are not understood here: send text messages",
        ))
    }

    /// Appends the one answer to a command, under the id the command came with.
    fn encode_reply(&self, id: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>);

    /// Appends what the server says by itself.
    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>);

    /// Appends a live publication; every receiver of this format gets the same bytes.
    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>);

    /// Appends a live publication for a client that did not get the `skipped` ones before it. A dialect
    /// that cannot say so leaves the number out.
    fn encode_coalesced(&self, publication: &Publication, _skipped: u64, out: &mut Vec<u8>) {
        self.encode_publication(publication, out);
    }
}

/// What a client that may not come in is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 401 for its token, 403 for its origin.
    Usual,
    /// 403 for both.
    Forbidden,
}
