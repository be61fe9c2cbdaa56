//! NATS: lines, in any cut, in binary messages.

use crate::audit::Position;
use crate::frame;
use crate::protocol::{Heard, Protocol};

pub(crate) struct Nats;

impl Protocol for Nats {
    fn hello(&self) -> Vec<u8> {
        let options =
            "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"loadtest\",\"version\":\"1\"}\r\n";
        frame::masked(frame::BINARY, options.as_bytes())
    }

    fn subscribe(&self, topic: &str, _since: Option<&Position>) -> Option<Vec<u8>> {
        // A subscription has no answer: that of the ping behind it says that it is there.
        let lines = format!("SUB {topic} 1\r\nPING\r\n");
        Some(frame::masked(frame::BINARY, lines.as_bytes()))
    }

    fn hear(&self, bytes: &[u8], heard: &mut dyn FnMut(Heard<'_>)) -> usize {
        let mut used = 0;
        while let Some((one, length)) = first(&bytes[used..]) {
            heard(one);
            used += length;
        }
        used
    }

    fn is_stream(&self) -> bool {
        true
    }

    fn publication(&self, topic: &str, data: &[u8], out: &mut Vec<u8>) {
        let head = format!("PUB {topic} {}\r\n", data.len());
        let whole = [head.as_bytes(), data, b"\r\n"].concat();
        out.extend(frame::masked(frame::BINARY, &whole));
    }
}

/// What stands first, and how long it is; none while it is not whole.
fn first(bytes: &[u8]) -> Option<(Heard<'_>, usize)> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")?;
    let (line, after) = (&bytes[..end], end + 2);
    if line.starts_with(b"MSG ") {
        let size = line.rsplit(|byte| *byte == b' ').next()?;
        let size: usize = std::str::from_utf8(size).ok()?.parse().ok()?;
        let text = bytes.get(after..after + size)?;
        let whole = after + size + 2;
        let message = Heard::Message { text, offset: None };
        return (bytes.len() >= whole).then_some((message, whole));
    }
    let meaning = match line {
        b"PING" => Heard::Answer(frame::masked(frame::BINARY, b"PONG\r\n")),
        b"PONG" => Heard::Subscribed {
            position: None,
            recovered: None,
        },
        _ if line.starts_with(b"-ERR") => Heard::Refused(line),
        _ => Heard::Other,
    };
    Some((meaning, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hear_all;

    #[test]
    fn what_is_not_whole_yet_is_left() {
        let bytes = b"INFO {}\r\nPONG\r\nMSG t 1 2\r\nhi\r\nMSG t 1 5\r\nhel";
        let (heard, used) = hear_all(&Nats, bytes);
        assert_eq!(
            heard,
            [
                "Other",
                "Subscribed { position: None, recovered: None }",
                "message hi None"
            ]
        );
        assert_eq!(&bytes[used..], b"MSG t 1 5\r\nhel");
    }
}
