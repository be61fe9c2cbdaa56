//! Server-Sent Events: the native dialect's JSON, each message a block of the event stream.
//!
//! A block is `data: <push>` and an empty line. Before it stands `id: <cursor>` where the message takes
//! its client to another position of its topic. The cursor of a block names that topic alone, so that
//! the block can be shared; [`Merger`] makes it name all topics of a stream that has several.

mod cursor;
mod merger;

use bytes::Bytes;
use tidegate_shared::position::Position;
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;

use super::native::Native;
use super::{DecodeError, Decoded, Dialect, Encoding, Push, Reply, RequestId, Speaker};

pub use cursor::Cursor;
pub use merger::Merger;

/// What a block with a cursor begins with; the cursor's version included.
const ID: &[u8] = b"id: 1";
const DATA: &[u8] = b"data: ";
/// What ends a block. Stands nowhere else in it.
const END: &[u8] = b"\n\n";

#[derive(Debug)]
pub struct Events;

impl Dialect for Events {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    /// It follows what its address says, then and when it comes back.
    fn takes_orders(&self) -> bool {
        false
    }

    /// Nobody sends commands over an event stream.
    fn decode(&self, _: &Bytes, _: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Err(DecodeError::unsupported(
            None,
            "an event stream takes no commands",
        ))
    }

    fn encode_reply(&self, _: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>) {
        let reply = match reply {
            Reply::Announced(inner) => inner,
            reply => reply,
        };
        let place = match reply {
            // Its client stands where it stood, until it has what it missed.
            Reply::Subscribed {
                recovered: Some(true),
                ..
            } => None,
            Reply::Subscribed { topic, position, .. } => position.map(|position| (topic, position)),
            _ => None,
        };
        block(place, out, |out| Native.encode_announcement(reply, out));
    }

    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>) {
        let place = match push {
            Push::Reset { topic, position, .. } => Some((*topic, *position)),
            _ => None,
        };
        block(place, out, |out| Native.encode_push(push, out));
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        let place = publication
            .place
            .map(|place| (&publication.topic, place.position));
        block(place, out, |out| Native.encode_publication(publication, out));
    }

    fn encode_coalesced(&self, publication: &Publication, skipped: u64, out: &mut Vec<u8>) {
        let place = publication
            .place
            .map(|place| (&publication.topic, place.position));
        block(place, out, |out| {
            Native.encode_coalesced(publication, skipped, out);
        });
    }
}

fn block(place: Option<(&Topic, Position)>, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if let Some((topic, position)) = place {
        out.extend_from_slice(ID);
        cursor::append(topic, &position, out);
        out.push(b'\n');
    }
    out.extend_from_slice(DATA);
    let start = out.len();
    write(out);
    // Payloads keep their spelling, line ends between their tokens included. In a JSON text these are
    // white space; in an event stream they would end the line.
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(END);
}

#[cfg(test)]
mod tests;
