//! Compressed messages (RFC 7692): the decoder's side of them.

use super::super::deflate;
use super::super::extension::Window;
use super::super::wire::{BINARY, CONTINUATION, PING, TEXT, frame, header, noise, part, raw};
use super::*;
use tidegate_shared::code::CloseCode;

const LIMIT: usize = 1000;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

fn compressed(message: &[u8]) -> Vec<u8> {
    deflate::message(message, Window::Full, usize::MAX, <[u8]>::to_vec).expect("compressed")
}

/// What comes of a stream in pieces of one size. Never holds more than the limits allow.
fn decode(input: &[u8], size: usize) -> Result<Vec<Incoming>, Violation> {
    let mut decoder = Decoder::new(LIMIT).inflating(true);
    let mut messages = Vec::new();
    let mut input = input.to_vec();
    for piece in input.chunks_mut(size) {
        let mut piece = piece;
        while !piece.is_empty() {
            let found = decoder.decode(piece)?;
            messages.extend(found.message);
            piece = &mut piece[found.used..];
            let most = inflate::most_compressed(LIMIT) + size_of::<Begun>() + MAX_CONTROL;
            assert!(decoder.held() <= most, "{} bytes held", decoder.held());
        }
    }
    assert!(!decoder.is_inside() && decoder.held() == 0);
    Ok(messages)
}

/// The same however it is cut.
fn decoded(input: &[u8]) -> Result<Vec<Incoming>, Violation> {
    let whole = decode(input, usize::MAX);
    for size in 1..10 {
        assert_eq!(decode(input, size), whole, "in pieces of {size}");
    }
    whole
}

#[test]
fn a_compressed_message_may_be_in_many_frames_with_others_between() {
    let text = "Tidegate, κόσμε ".repeat(10);
    let payload = compressed(text.as_bytes());
    let (first, rest) = payload.split_at(7);
    let (second, third) = rest.split_at(1);
    let stream = [
        raw(RSV1 | TEXT, first),
        frame(PING, b"between"),
        part(CONTINUATION, second),
        part(CONTINUATION, b""),
        frame(CONTINUATION, third),
        frame(TEXT, b"plain"),
        raw(FIN | RSV1 | BINARY, &compressed(b"\xff\xfe")),
        raw(FIN | RSV1 | TEXT, &[0]),
        raw(FIN | RSV1 | TEXT, b""),
    ]
    .concat();
    assert_eq!(
        decoded(&stream),
        Ok(vec![
            Incoming::Ping("between".into()),
            Incoming::Text(text.into()),
            Incoming::Text("plain".into()),
            Incoming::Binary(b"\xff\xfe"[..].into()),
            Incoming::Text("".into()),
            Incoming::Text("".into()),
        ])
    );
}

#[test]
fn the_bit_stands_on_the_first_frame_of_a_message_and_only_where_it_was_agreed_on() {
    let payload = compressed(b"hello");
    let continued = [raw(RSV1 | TEXT, &payload), raw(FIN | RSV1 | CONTINUATION, b"")].concat();
    assert_eq!(decoded(&continued), Err(Violation::ReservedBits));
    let begun_plain = [part(TEXT, b"a"), raw(FIN | RSV1 | CONTINUATION, &payload)].concat();
    assert_eq!(decoded(&begun_plain), Err(Violation::ReservedBits));
    assert_eq!(
        decoded(&raw(FIN | RSV1 | PING, b"")),
        Err(Violation::ReservedBits)
    );
    let mut without = Decoder::new(LIMIT);
    assert_eq!(
        without.decode(&mut raw(FIN | RSV1 | TEXT, &payload)),
        Err(Violation::ReservedBits)
    );
}

#[test]
fn the_limit_is_on_what_comes_out() {
    let most = vec![b'x'; LIMIT];
    assert_eq!(
        decoded(&raw(FIN | RSV1 | TEXT, &compressed(&most))),
        Ok(vec![Incoming::Text(most.into())])
    );
    let bomb = compressed(&vec![b'x'; 100 * LIMIT]);
    assert!(bomb.len() < LIMIT / 2);
    let too_big = Err(Violation::TooBig { limit: LIMIT });
    assert_eq!(decoded(&raw(FIN | RSV1 | TEXT, &bomb)), too_big);
    // Noise gets a little larger by being compressed, and is no larger a message for that.
    let noise = noise(LIMIT);
    let payload = compressed(&noise);
    assert!(payload.len() > LIMIT);
    assert_eq!(
        decoded(&raw(FIN | RSV1 | BINARY, &payload)),
        Ok(vec![Incoming::Binary(noise.into())])
    );
    // What cannot fit is refused by its header.
    let announced = header(FIN | RSV1 | BINARY, inflate::most_compressed(LIMIT) as u64 + 1);
    assert_eq!(decode(&announced, usize::MAX), too_big);
}

#[test]
fn what_is_not_compressed_as_it_says_or_no_utf_8_is_invalid_payload() {
    let broken = decoded(&raw(FIN | RSV1 | TEXT, b"\xff\xff\xff")).expect_err("broken");
    let not_utf_8 = decoded(&raw(FIN | RSV1 | TEXT, &compressed(b"a\xff"))).expect_err("not UTF-8");
    assert_eq!((broken, not_utf_8), (Violation::NotDeflate, Violation::NotUtf8));
    for violation in [broken, not_utf_8] {
        assert_eq!(violation.close_code(), CloseCode::InvalidPayload);
    }
}
