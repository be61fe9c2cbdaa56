//! Requests with responses, and events for everybody. Pileup Buster's clients speak it.
//!
//! An operation is a call of the method `{app}.{operation}`; what it publishes on `{app}:events` reaches its
//! sender before the response does. Nothing that a client sends ends its connection. [`EventStream`] has the
//! same events for who only listens.

mod decode;
mod encode;
mod operation;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;

pub use stream::EventStream;

use super::{DecodeError, Decoded, Dialect, Push, Refusal, Reply, Request, RequestId, Speaker};

/// What the topic with the events ends with.
const EVENTS: &str = ":events";

#[derive(Debug)]
pub struct Rpc;

/// Where everybody is told what happens; `None` if the application's name makes no topic.
pub(crate) fn events(app: &str) -> Option<Topic> {
    Topic::parse(&format!("{app}{EVENTS}")).ok()
}

impl Dialect for Rpc {
    fn name(&self) -> &'static str {
        "rpc"
    }

    fn app(&self) -> &'static str {
        "pileup"
    }

    /// Its clients know of no other way in which a handshake fails.
    fn refusal(&self) -> Refusal {
        Refusal::Forbidden
    }

    fn on_connect(&self, speaker: &Speaker<'_>) -> Vec<Request> {
        let topic = events(&speaker.entrance.app);
        topic.map(Request::follow).into_iter().collect()
    }

    fn decode(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Ok(decode::message(message, speaker))
    }

    /// JSON as well.
    fn decode_binary(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Ok(decode::message(message, speaker))
    }

    fn encode_reply(&self, id: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>) {
        if let Some(asked) = id.and_then(operation::Asked::of) {
            encode::reply(&asked, reply, out);
        }
    }

    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>) {
        if let Push::Welcome(welcome) = push {
            encode::welcome(welcome, out);
        }
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        encode::publication(publication, out);
    }
}
