//! The wire formats that clients speak, as pure functions: bytes to [`Request`], [`Reply`] and [`Push`]
//! to bytes.
//!
//! The only place where JSON meets the wire. No I/O, no clock, no knowledge of sockets or Redis; no
//! input makes a decoder panic.

mod command;
pub mod events;
mod format;
pub(crate) mod message_pack;
pub mod native;
mod nearest;
mod push;
mod reply;

pub use command::{Command, DecodeError, JobRequest, Request, RequestId};
pub use format::{Compression, Encoding, Format, Language};
pub use push::{Goodbye, Push, Welcome};
pub use reply::{Failure, Reply, Roll};

use bytes::Bytes;
use tidegate_shared::publication::Publication;

/// One wire format. Has no state: what a connection has been through is its session's.
pub trait Dialect: Send + Sync + 'static {
    /// Its name in the configuration and in metrics.
    fn name(&self) -> &'static str;

    /// Reads one message. What it returns may share the message's bytes.
    fn decode(&self, message: &Bytes) -> Result<Request, DecodeError>;

    /// Reads a binary message.
    fn decode_binary(&self, message: &Bytes) -> Result<Request, DecodeError> {
        let _ = message;
        Err(DecodeError::rubbish(
            None,
            "binary messages are not understood here: send text messages",
        ))
    }

    /// Appends the one answer to a command, under the id the command came with. A dialect that has
    /// nothing to say appends nothing.
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
