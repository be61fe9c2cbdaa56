//! Socket.IO: `subscribe` with an acknowledgement, `publish`, and `message` to followers.

use crate::audit::Position;
use crate::frame;
use crate::protocol::{Heard, Protocol};

pub(crate) struct SocketIo;

impl Protocol for SocketIo {
    fn ready_at_once(&self) -> bool {
        false
    }

    fn subscribe(&self, topic: &str, _since: Option<&Position>) -> Option<Vec<u8>> {
        Some(text(&format!("421[\"subscribe\",\"{topic}\"]")))
    }

    fn hear(&self, bytes: &[u8], heard: &mut dyn FnMut(Heard<'_>)) -> usize {
        heard(match bytes {
            b"2" => Heard::Answer(text("3")),
            _ if bytes.starts_with(b"0{") => Heard::Answer(text("40")),
            _ if bytes.starts_with(b"40") => Heard::Ready,
            _ if bytes.starts_with(b"44") => Heard::Refused(bytes),
            _ if bytes.starts_with(b"431[") => Heard::Subscribed {
                position: None,
                recovered: None,
            },
            _ if bytes.starts_with(b"42[\"message\"") => Heard::Message {
                text: bytes,
                offset: None,
            },
            _ => Heard::Other,
        });
        bytes.len()
    }

    fn publication(&self, topic: &str, data: &[u8], out: &mut Vec<u8>) {
        let head = format!("42[\"publish\",\"{topic}\",");
        out.extend(frame::masked(
            frame::TEXT,
            &[head.as_bytes(), data, b"]"].concat(),
        ));
    }
}

fn text(text: &str) -> Vec<u8> {
    frame::masked(frame::TEXT, text.as_bytes())
}
