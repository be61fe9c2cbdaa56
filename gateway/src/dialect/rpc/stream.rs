//! The same events as Server-Sent Events, each under its name: for `EventSource` and its `addEventListener`.

use bytes::Bytes;
use tidegate_shared::iso;
use tidegate_shared::publication::Publication;

use super::encode;
use crate::dialect::json::Object;
use crate::dialect::{DecodeError, Decoded, Dialect, Encoding, Push, Reply, RequestId, Speaker};

const CONNECTED: &[u8] = b"event: connected\ndata: {\"message\": \"SSE connection established\"}\n\n";

#[derive(Debug)]
pub struct EventStream;

impl EventStream {
    /// What is said when nothing was said for a while.
    pub const KEEPALIVE: &'static [u8] = b"event: keepalive\ndata: {}\n\n";
}

impl Dialect for EventStream {
    fn name(&self) -> &'static str {
        "events"
    }

    fn app(&self) -> &'static str {
        "pileup"
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn may_compress(&self) -> bool {
        false
    }

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

    fn encode_reply(&self, _: Option<&RequestId>, _: &Reply, _: &mut Vec<u8>) {}

    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>) {
        if let Push::Welcome(_) = push {
            out.extend_from_slice(CONNECTED);
        }
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        let Some((event, data)) = encode::event(publication) else {
            return;
        };
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_str().as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let start = out.len();
        let mut object = Object::typed(out, event.as_str());
        object.raw("data", data);
        object.text("timestamp", &iso::utc(publication.time_ms));
        object.end();
        // Data keeps its spelling. Between its tokens line ends are white space; here they would end the line.
        for byte in &mut out[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        out.extend_from_slice(b"\n\n");
    }
}
