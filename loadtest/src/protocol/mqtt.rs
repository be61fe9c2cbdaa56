//! MQTT 3.1.1: packets, in any cut, in binary messages. Everything at most once.

use crate::audit::Position;
use crate::frame;
use crate::protocol::{Heard, Protocol};

pub(crate) struct Mqtt;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
/// Of a subscription that is refused.
const FAILURE: u8 = 0x80;

impl Protocol for Mqtt {
    fn subprotocol(&self) -> Option<&'static str> {
        Some("mqtt")
    }

    fn hello(&self) -> Vec<u8> {
        // Protocol, version 4, a clean session, no keep-alive, and a name that the server makes up.
        let body = b"\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
        frame::masked(frame::BINARY, &packet(CONNECT, body))
    }

    fn subscribe(&self, topic: &str, _since: Option<&Position>) -> Option<Vec<u8>> {
        let body = [&[0, 1][..], &text(topic), &[0]].concat();
        Some(frame::masked(frame::BINARY, &packet(SUBSCRIBE, &body)))
    }

    fn hear(&self, bytes: &[u8], heard: &mut dyn FnMut(Heard<'_>)) -> usize {
        let mut used = 0;
        while let Some((kind, body, length)) = first(&bytes[used..]) {
            heard(meaning(kind, body));
            used += length;
        }
        used
    }

    fn is_stream(&self) -> bool {
        true
    }

    fn publication(&self, topic: &str, data: &[u8], out: &mut Vec<u8>) {
        let body = [&text(topic), data].concat();
        out.extend(frame::masked(frame::BINARY, &packet(PUBLISH, &body)));
    }
}

fn meaning(kind: u8, body: &[u8]) -> Heard<'_> {
    match kind & 0xf0 {
        CONNACK if body.last() != Some(&0) => Heard::Refused(b"the broker's CONNACK refuses"),
        SUBACK if body.last() == Some(&FAILURE) => Heard::Refused(b"the broker's SUBACK refuses"),
        SUBACK => Heard::Subscribed {
            position: None,
            recovered: None,
        },
        PUBLISH => {
            let name = body.get(..2).map_or(0, |length| {
                usize::from(u16::from_be_bytes([length[0], length[1]]))
            });
            Heard::Message {
                text: body.get(2 + name..).unwrap_or_default(),
                offset: None,
            }
        }
        _ => Heard::Other,
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut left = body.len();
    loop {
        let seven = u8::try_from(left % 128).unwrap_or_default();
        left /= 128;
        packet.push(if left > 0 { seven | 0x80 } else { seven });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// Its kind, its body and its length; none while it is not whole.
fn first(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let kind = *bytes.first()?;
    let (mut length, mut at) = (0usize, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 || at > 4 {
            break;
        }
    }
    let body = bytes.get(at..at + length)?;
    Some((kind, body, at + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hear_all;

    #[test]
    fn a_packet_with_a_long_body_is_read_as_it_was_written() {
        let data = "x".repeat(300);
        let body = [&text("t")[..], data.as_bytes()].concat();
        let bytes = [
            &packet(SUBACK, &[0, 1, 0])[..],
            &packet(PUBLISH, &body),
            &[PUBLISH],
        ]
        .concat();
        let (heard, used) = hear_all(&Mqtt, &bytes);
        assert_eq!(
            heard,
            [
                "Subscribed { position: None, recovered: None }",
                &format!("message {data} None")
            ]
        );
        assert_eq!(used, bytes.len() - 1);
    }
}
