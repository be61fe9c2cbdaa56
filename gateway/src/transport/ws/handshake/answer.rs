//! The answer to a handshake, kept back until there is something to send with it: who is greeted gets both in one write.
//!
//! Relies on the server to have its streams keep back the answers that are marked, and nothing else.

use bytes::Bytes;

/// In a response: it is not for the stream to send, but for who takes the stream over.
#[derive(Debug, Clone, Copy)]
pub struct KeepBack;

/// A stream that HTTP hands over with an answer that was kept back.
pub trait Upgradable {
    /// That answer. From now on the stream keeps nothing back.
    fn take_answer(&mut self) -> Bytes;
}
