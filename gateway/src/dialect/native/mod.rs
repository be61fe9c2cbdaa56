//! The native dialect: one JSON object for each message, `action` on the way in, `type` on the way out.
//! A binary message holds the same in MessagePack.
//! Its shapes are a contract with clients; the snapshots beside the tests show all of them.

mod decode;
mod encode;
mod field;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tidegate_shared::publication::Publication;

use super::{
    DecodeError, Decoded, Dialect, Encoding, Push, Reply, Request, RequestId, Speaker, message_pack,
};

#[derive(Debug)]
pub struct Native;

impl Native {
    /// A message that is a command, whoever sent it.
    pub fn request(message: &Bytes) -> Result<Request, DecodeError> {
        decode::request(message)
    }

    /// A reply that nobody asked for by an id.
    pub fn encode_announcement(&self, reply: &Reply, out: &mut Vec<u8>) {
        encode::reply(None, reply, out);
    }
}

impl Dialect for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn protocols(&self) -> &'static [(&'static str, Encoding)] {
        &[("tidegate.msgpack", Encoding::MessagePack)]
    }

    fn decode(&self, message: &Bytes, _: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Self::request(message).map(Decoded::Request)
    }

    fn decode_binary(&self, message: &Bytes, _: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        match message_pack::to_json(message) {
            Ok(json) => Self::request(&json.into()).map(Decoded::Request),
            Err(wrong) => Err(DecodeError::rubbish(
                None,
                format!("no valid MessagePack, which binary messages are: {wrong}"),
            )),
        }
    }

    fn encode_reply(&self, id: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>) {
        if id.is_some() || reply.is_always_sent() {
            encode::reply(id, reply, out);
        }
    }

    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>) {
        encode::push(push, out);
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        encode::publication(publication, 0, out);
    }

    fn encode_coalesced(&self, publication: &Publication, skipped: u64, out: &mut Vec<u8>) {
        encode::publication(publication, skipped, out);
    }
}
