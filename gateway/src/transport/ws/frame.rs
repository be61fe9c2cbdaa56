//! Whole frames as the server sends them: unmasked, never fragmented, header and payload in one
//! piece, so that one `Bytes` can be shared by everyone who gets the message.

use bytes::{BufMut, Bytes, BytesMut};

use super::deflate;
use super::extension::Window;
use super::header::{LENGTH_16, LENGTH_64, OpCode, RSV1};

/// RFC 6455 §5.5: all control frames.
pub(super) const MAX_CONTROL: usize = 125;
const MAX_REASON: usize = MAX_CONTROL - 2;

const FIN: u8 = 0x80;
/// Of an unmasked frame.
const LONGEST_HEADER: usize = 10;

/// The two kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

/// `payload` must be UTF-8; it is not looked at again.
pub fn text(payload: &[u8]) -> Bytes {
    build(OpCode::Text, payload)
}

/// Appends a message behind other frames that travel in the same piece of memory. With `compression`,
/// which must have been agreed on, it is compressed if it is large enough and gets smaller by it.
pub fn append_message(out: &mut BytesMut, kind: Kind, payload: &[u8], compression: Option<Window>) {
    let opcode = match kind {
        Kind::Text => OpCode::Text,
        Kind::Binary => OpCode::Binary,
    };
    if let Some(window) = compression
        && payload.len() >= deflate::WORTHWHILE
    {
        let smaller = payload.len() - 1;
        let appended = deflate::message(payload, window, smaller, |compressed| {
            append(RSV1 | opcode.bits(), compressed, out);
        });
        if appended.is_some() {
            return;
        }
    }
    append(opcode.bits(), payload, out);
}

pub fn binary(payload: &[u8]) -> Bytes {
    build(OpCode::Binary, payload)
}

/// A payload of more than 125 bytes is cut.
pub fn ping(payload: &[u8]) -> Bytes {
    build(OpCode::Ping, cut(payload))
}

/// The answer to a ping: its payload comes back. More than 125 bytes are cut.
pub fn pong(payload: &[u8]) -> Bytes {
    build(OpCode::Pong, cut(payload))
}

/// `code` is one that may be sent (RFC 6455 §7.4). A reason of more than 123 bytes is cut before the
/// character that does not fit.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    build(OpCode::Close, &payload)
}

/// The answer to a close frame without a code.
pub fn close_without_code() -> Bytes {
    build(OpCode::Close, &[])
}

fn cut(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(MAX_CONTROL)]
}

fn build(opcode: OpCode, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(LONGEST_HEADER + payload.len());
    append(opcode.bits(), payload, &mut frame);
    frame.freeze()
}

fn append(first: u8, payload: &[u8], out: &mut BytesMut) {
    let length = payload.len();
    out.reserve(LONGEST_HEADER + length);
    out.put_u8(FIN | first);
    if let Ok(short) = u8::try_from(length)
        && short < LENGTH_16
    {
        out.put_u8(short);
    } else if let Ok(medium) = u16::try_from(length) {
        out.put_u8(LENGTH_16);
        out.put_u16(medium);
    } else {
        out.put_u8(LENGTH_64);
        out.put_u64(length as u64);
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_bytes_of_the_rfcs_examples() {
        // RFC 6455 §5.7, the unmasked ones.
        assert_eq!(&text(b"Hello")[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(&ping(b"Hello")[..], [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(&pong(b"Hello")[..2], [0x8a, 0x05]);
        assert_eq!(&binary(&[0; 256])[..4], [0x82, 0x7E, 0x01, 0x00]);
        assert_eq!(
            &binary(&vec![0; 65536])[..10],
            [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]
        );
    }

    #[test]
    fn lengths_take_the_shortest_form_that_holds_them() {
        for (length, header) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65535, &[0x82, 126, 0xff, 0xff]),
            (65536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = binary(&vec![7; length]);
            assert_eq!(&frame[..header.len()], header);
            assert_eq!(frame.len(), header.len() + length);
        }
    }

    fn message(payload: &[u8], compression: Option<Window>) -> BytesMut {
        let mut out = BytesMut::from(&b"before"[..]);
        append_message(&mut out, Kind::Text, payload, compression);
        out.split_off(6)
    }

    #[test]
    fn a_message_is_compressed_if_it_is_large_and_gets_smaller() {
        let large = [b'x'; 200];
        let compressed = message(&large, Some(Window::Full));
        assert_eq!(compressed[0], 0xc1);
        assert_eq!(usize::from(compressed[1]), compressed.len() - 2);
        assert_eq!(
            super::super::inflate::message(&compressed[2..], 200).as_deref(),
            Ok(&large[..])
        );
        assert_eq!(message(&large, None), text(&large));
        let small = &large[..deflate::WORTHWHILE - 1];
        assert_eq!(message(small, Some(Window::Full)), text(small));
        let noise = super::super::wire::noise(300);
        assert_eq!(message(&noise, Some(Window::Small))[..4], [0x81, 126, 1, 44]);
    }

    #[test]
    fn a_close_reason_is_cut_at_a_character() {
        assert_eq!(&close(1000, "")[..], [0x88, 2, 0x03, 0xe8]);
        assert_eq!(&close(3000, "shutdown")[..5], [0x88, 10, 0x0b, 0xb8, b's']);
        assert_eq!(&close_without_code()[..], [0x88, 0]);
        let long = "é".repeat(100);
        let frame = close(1008, &long);
        assert_eq!(frame[1], 2 + 122, "123 bytes would split a character");
        assert_eq!(
            std::str::from_utf8(&frame[4..])
                .expect("whole characters")
                .chars()
                .count(),
            61
        );
        assert_eq!(close(1008, &"x".repeat(200)).len(), 2 + 125);
    }

    #[test]
    fn a_control_payload_is_cut_to_what_is_allowed() {
        assert_eq!(ping(&[1; 126])[1], 125);
        assert_eq!(pong(&[1; 4000]).len(), 127);
    }
}
