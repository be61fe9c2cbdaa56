//! Nchan: a location for subscribers, to whom messages come as they are, and one for publishers.

use crate::audit::Position;
use crate::protocol::{Heard, Protocol};

pub(crate) struct Nchan;

impl Protocol for Nchan {
    fn path(&self, topic: &str) -> Option<String> {
        Some(format!("/sub/{topic}"))
    }

    fn subscribe(&self, _topic: &str, _since: Option<&Position>) -> Option<Vec<u8>> {
        None
    }

    fn hear(&self, text: &[u8], heard: &mut dyn FnMut(Heard<'_>)) -> usize {
        heard(Heard::Message { text, offset: None });
        text.len()
    }

    fn publication(&self, topic: &str, data: &[u8], out: &mut Vec<u8>) {
        let length = data.len();
        let head = format!("POST /pub/{topic} HTTP/1.1\r\nHost: load\r\nContent-Length: {length}\r\n\r\n");
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(data);
    }

    fn publishes_by_http(&self) -> bool {
        true
    }
}
