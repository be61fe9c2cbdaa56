//! Centrifuge's JSON: commands and replies in lines, several of them in a message.

use crate::audit::{Position, contains, last_number};
use crate::frame;
use crate::protocol::{Heard, Protocol};

pub(crate) struct Centrifuge;

impl Protocol for Centrifuge {
    fn hello(&self) -> Vec<u8> {
        frame::masked(frame::TEXT, b"{\"id\":1,\"connect\":{}}")
    }

    fn subscribe(&self, topic: &str, _since: Option<&Position>) -> Option<Vec<u8>> {
        let command = format!("{{\"id\":2,\"subscribe\":{{\"channel\":\"{topic}\"}}}}");
        Some(frame::masked(frame::TEXT, command.as_bytes()))
    }

    fn hear(&self, bytes: &[u8], heard: &mut dyn FnMut(Heard<'_>)) -> usize {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            heard(meaning(line));
        }
        bytes.len()
    }

    fn publication(&self, topic: &str, data: &[u8], out: &mut Vec<u8>) {
        let head = format!("{{\"id\":3,\"publish\":{{\"channel\":\"{topic}\",\"data\":");
        out.extend(frame::masked(
            frame::TEXT,
            &[head.as_bytes(), data, b"}}"].concat(),
        ));
    }
}

fn meaning(line: &[u8]) -> Heard<'_> {
    if line == b"{}" {
        return Heard::Answer(frame::masked(frame::TEXT, b"{}"));
    }
    if contains(line, b"\"error\":{") {
        return Heard::Refused(line);
    }
    if line.starts_with(b"{\"id\":2,\"subscribe\"") {
        return Heard::Subscribed {
            position: None,
            recovered: None,
        };
    }
    if line.starts_with(b"{\"push\":") && contains(line, b"\"pub\":") {
        return Heard::Message {
            text: line,
            offset: last_number(line, b"\"offset\":"),
        };
    }
    Heard::Other
}
