use bytes::Bytes;
use proptest::prelude::*;

use super::super::wire::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, header, part, raw};
use super::*;

const LIMIT: usize = 1000;

/// Feeds `input` in pieces of the given sizes (the last one over and over).
fn decode(input: &[u8], pieces: &[usize], limit: usize) -> (Vec<Incoming>, Option<Violation>, Decoder) {
    let mut decoder = Decoder::new(limit);
    let mut messages = Vec::new();
    let mut rest = input.to_vec();
    let mut rest = &mut rest[..];
    let mut sizes = pieces
        .iter()
        .copied()
        .chain(std::iter::repeat(*pieces.last().expect("a size")));
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        let (mut piece, after) = rest.split_at_mut(size);
        rest = after;
        while !piece.is_empty() {
            match decoder.decode(piece) {
                Ok(Decoded { used, message }) => {
                    assert!(
                        message.is_some() || used == piece.len(),
                        "input was left without a message"
                    );
                    messages.extend(message);
                    piece = &mut piece[used..];
                }
                Err(violation) => return (messages, Some(violation), decoder),
            }
            let at_most = limit + size_of::<Begun>() + MAX_CONTROL;
            assert!(decoder.held() <= at_most, "{} bytes held", decoder.held());
        }
    }
    (messages, None, decoder)
}

/// The messages of a valid stream, which is the same however it is cut.
fn messages(input: &[u8]) -> Vec<Incoming> {
    let (messages, violation, decoder) = decode(input, &[usize::MAX], LIMIT);
    assert_eq!(violation, None);
    assert!(!decoder.is_inside(), "the stream ends inside of a message");
    assert_eq!(decoder.held(), 0);
    for size in 1..20 {
        let (again, violation, _) = decode(input, &[size], LIMIT);
        assert_eq!((&again, violation), (&messages, None), "in pieces of {size}");
    }
    messages
}

fn violation(input: &[u8]) -> Violation {
    let (_, violation, _) = decode(input, &[usize::MAX], LIMIT);
    for size in 1..20 {
        assert_eq!(decode(input, &[size], LIMIT).1, violation, "in pieces of {size}");
    }
    violation.expect("a violation")
}

fn text(payload: &'static str) -> Incoming {
    Incoming::Text(payload.into())
}

#[test]
fn the_rfcs_examples_are_understood() {
    // RFC 6455 §5.7.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(messages(&hello), [text("Hello")]);
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(messages(&pong), [Incoming::Pong("Hello".into())]);
    assert_eq!(
        messages(&[part(TEXT, b"Hel"), frame(CONTINUATION, b"lo")].concat()),
        [text("Hello")]
    );
}

#[test]
fn empty_messages_and_fragments_are_messages() {
    assert_eq!(messages(&frame(TEXT, b"")), [text("")]);
    assert_eq!(messages(&frame(BINARY, b"")), [Incoming::Binary(Bytes::new())]);
    assert_eq!(messages(&frame(PING, b"")), [Incoming::Ping(Bytes::new())]);
    let parts = [part(TEXT, b""), part(CONTINUATION, b""), frame(CONTINUATION, b"")].concat();
    assert_eq!(messages(&parts), [text("")]);
    let middle = [
        part(TEXT, b""),
        part(CONTINUATION, b"x"),
        frame(CONTINUATION, b""),
    ]
    .concat();
    assert_eq!(messages(&middle), [text("x")]);
}

#[test]
fn control_frames_between_fragments_come_at_once() {
    let stream = [
        part(TEXT, b"a"),
        frame(PING, b"1"),
        part(CONTINUATION, b"b"),
        frame(PONG, b"2"),
        frame(PING, &[9; 125]),
        frame(CONTINUATION, b"c"),
        frame(BINARY, b"d"),
    ];
    assert_eq!(
        messages(&stream.concat()),
        [
            Incoming::Ping("1".into()),
            Incoming::Pong("2".into()),
            Incoming::Ping(vec![9; 125].into()),
            text("abc"),
            Incoming::Binary("d".into()),
        ]
    );
}

#[test]
fn fragments_out_of_place_are_refused() {
    assert_eq!(
        violation(&frame(CONTINUATION, b"x")),
        Violation::NothingToContinue
    );
    assert_eq!(violation(&part(CONTINUATION, b"x")), Violation::NothingToContinue);
    let new = [part(TEXT, b"a"), frame(TEXT, b"b")].concat();
    assert_eq!(violation(&new), Violation::MessageInMessage);
    let ended = [
        part(TEXT, b"a"),
        frame(CONTINUATION, b"b"),
        frame(CONTINUATION, b"c"),
    ]
    .concat();
    assert_eq!(violation(&ended), Violation::NothingToContinue);
}

#[test]
fn wrong_headers_are_refused() {
    assert_eq!(violation(&[0x81, 0x01, b'x']), Violation::Unmasked);
    assert_eq!(violation(&raw(0xc1, b"x")), Violation::ReservedBits);
    assert_eq!(violation(&raw(0x83, b"x")), Violation::ReservedOpCode(3));
    assert_eq!(violation(&part(PING, b"x")), Violation::FragmentedControl);
    assert_eq!(violation(&frame(PING, &[0; 126])), Violation::LongControl);
    assert_eq!(violation(&header(0x82, u64::MAX)), Violation::LengthTooLarge);
    assert_eq!(violation(&[0x82, 0xfe, 0, 5]), Violation::LengthNotMinimal);
}

#[test]
fn messages_before_a_violation_are_handed_out() {
    let stream = [frame(TEXT, b"a"), frame(TEXT, b"b"), vec![0x81, 0x00]].concat();
    for size in [1, 5, 100] {
        let (messages, violation, _) = decode(&stream, &[size], LIMIT);
        assert_eq!(
            (messages, violation),
            (vec![text("a"), text("b")], Some(Violation::Unmasked))
        );
    }
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_is_refused_from_its_header() {
    let too_big = Violation::TooBig { limit: LIMIT };
    assert_eq!(
        messages(&frame(BINARY, &[1; LIMIT])),
        [Incoming::Binary(vec![1; LIMIT].into())]
    );
    assert_eq!(violation(&header(0x82, LIMIT as u64 + 1)), too_big);
    assert_eq!(violation(&header(0x82, u64::MAX >> 1)), too_big);
    let fragments = [part(BINARY, &[1; LIMIT]), header(0x80, 1)].concat();
    assert_eq!(violation(&fragments), too_big);
    let fine = [
        part(BINARY, &[1; LIMIT]),
        frame(PING, &[1; 125]),
        frame(CONTINUATION, b""),
    ]
    .concat();
    assert_eq!(messages(&fine).len(), 2);
}

#[test]
fn what_a_header_announces_is_not_reserved() {
    let mut decoder = Decoder::new(usize::MAX);
    let mut announced = header(0x82, u64::MAX >> 1);
    decoder.decode(&mut announced).expect("nothing is wrong yet");
    assert!(decoder.is_inside());
    assert_eq!(decoder.held(), size_of::<Begun>());
    decoder.decode(&mut [0; 100]).expect("nothing is wrong yet");
    assert_eq!(decoder.held(), size_of::<Begun>() + 100);
}

#[test]
fn many_small_fragments_are_joined_with_few_copies() {
    let mut decoder = Decoder::new(100_000);
    let mut sizes = std::collections::BTreeSet::new();
    decoder.decode(&mut part(BINARY, b"x")).expect("valid");
    for _ in 0..50_000 {
        decoder.decode(&mut part(CONTINUATION, b"x")).expect("valid");
        sizes.insert(decoder.held());
    }
    assert!(sizes.len() < 20, "the buffer was grown {} times", sizes.len());
    assert!(decoder.held() <= 100_000 + size_of::<Begun>());
}

#[test]
fn close_frames_are_checked() {
    let close = |code: u16, reason: &[u8]| frame(CLOSE, &[&code.to_be_bytes(), reason].concat());
    assert_eq!(messages(&frame(CLOSE, b"")), [Incoming::Close(None)]);
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4000, 4999,
    ] {
        let expected = [Incoming::Close(Some((code, "why".into())))];
        assert_eq!(messages(&close(code, b"why")), expected);
    }
    assert_eq!(messages(&close(1000, &[b'x'; 123])).len(), 1);
    assert_eq!(violation(&frame(CLOSE, b"x")), Violation::CloseOfOneByte);
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        assert_eq!(violation(&close(code, b"")), Violation::CloseCode(code));
    }
    assert_eq!(violation(&close(1000, b"\xce\xba\xe1")), Violation::NotUtf8);
}

#[test]
fn text_that_is_not_utf8_is_refused_at_its_first_wrong_byte() {
    // Autobahn 6.4: valid up to F4, and 90 can't follow it; nothing later is needed to say so.
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    let whole = frame(TEXT, bad);
    let wrong = whole.len() - bad.len() + 12;
    let mut decoder = Decoder::new(LIMIT);
    decoder
        .decode(&mut whole[..wrong].to_vec())
        .expect("a character may go on so");
    assert_eq!(
        decoder.decode(&mut whole[wrong..=wrong].to_vec()),
        Err(Violation::NotUtf8)
    );
    let parts = [part(TEXT, &bad[..12]), part(CONTINUATION, &bad[12..13])].concat();
    assert_eq!(violation(&parts), Violation::NotUtf8);
}

#[test]
fn text_that_ends_inside_of_a_character_is_refused() {
    for cut in 1..4 {
        let bytes = &"😀".as_bytes()[..cut];
        assert_eq!(violation(&frame(TEXT, bytes)), Violation::NotUtf8);
        let parts = [part(TEXT, bytes), frame(CONTINUATION, b"")].concat();
        assert_eq!(violation(&parts), Violation::NotUtf8);
        assert_eq!(messages(&frame(BINARY, bytes)).len(), 1, "binary may be anything");
    }
    for bytes in [
        &b"\x80"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
    ] {
        assert_eq!(violation(&frame(TEXT, bytes)), Violation::NotUtf8);
    }
}

/// A whole message or control frame, as bytes and as what should come of it.
fn message() -> impl Strategy<Value = (Vec<Vec<u8>>, Incoming)> {
    let cut = proptest::collection::vec(0usize..200, 0..5);
    let payload = proptest::collection::vec(any::<u8>(), 0..300);
    let control = proptest::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        ("\\PC{0,80}", cut.clone()).prop_map(|(text, cuts)| {
            (
                fragments(TEXT, text.as_bytes(), &cuts),
                Incoming::Text(text.into()),
            )
        }),
        (payload, cut)
            .prop_map(|(bytes, cuts)| (fragments(BINARY, &bytes, &cuts), Incoming::Binary(bytes.into()))),
        control
            .clone()
            .prop_map(|bytes| (vec![frame(PING, &bytes)], Incoming::Ping(bytes.into()))),
        control.prop_map(|bytes| (vec![frame(PONG, &bytes)], Incoming::Pong(bytes.into()))),
    ]
}

fn fragments(opcode: u8, payload: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = payload;
    let mut opcode = opcode;
    let mut frames = Vec::new();
    for cut in cuts {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        frames.push(part(opcode, piece));
        (opcode, rest) = (CONTINUATION, after);
    }
    frames.push(frame(opcode, rest));
    frames
}

proptest! {
    #[test]
    fn any_cut_of_a_valid_stream_gives_the_same_messages(
        stream in proptest::collection::vec(message(), 0..8),
        pieces in proptest::collection::vec(1usize..400, 1..30),
    ) {
        let bytes: Vec<u8> = stream.iter().flat_map(|(frames, _)| frames.concat()).collect();
        let expected: Vec<_> = stream.into_iter().map(|(_, message)| message).collect();
        let (messages, violation, decoder) = decode(&bytes, &pieces, 4 * LIMIT);
        prop_assert_eq!(violation, None);
        prop_assert_eq!(messages, expected);
        prop_assert_eq!(decoder.held(), 0);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_mean_the_same_in_any_cut(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        pieces in proptest::collection::vec(1usize..100, 1..30),
    ) {
        // What is held is checked inside of `decode`, after every step.
        let whole = decode(&bytes, &[usize::MAX], LIMIT);
        let cut = decode(&bytes, &pieces, LIMIT);
        prop_assert_eq!((whole.0, whole.1), (cut.0, cut.1));
    }

    #[test]
    fn almost_valid_frames_never_panic(
        firsts in proptest::collection::vec((any::<u8>(), 0usize..150), 0..20),
        pieces in proptest::collection::vec(1usize..100, 1..30),
    ) {
        let bytes: Vec<u8> = firsts.iter().flat_map(|(first, length)| raw(*first, &vec![b'x'; *length])).collect();
        let whole = decode(&bytes, &[usize::MAX], LIMIT);
        let cut = decode(&bytes, &pieces, LIMIT);
        prop_assert_eq!((whole.0, whole.1), (cut.0, cut.1));
    }

    #[test]
    fn text_is_accepted_exactly_if_it_is_utf8(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            "\\PC{0,10}".prop_map(String::into_bytes),
            ("\\PC{0,5}", any::<u8>(), "\\PC{0,5}").prop_map(|(a, b, c)| [a.as_bytes(), &[b], c.as_bytes()].concat()),
        ],
        cuts in proptest::collection::vec(0usize..4, 0..8),
        piece in 1usize..8,
    ) {
        let stream = fragments(TEXT, &bytes, &cuts).concat();
        let (messages, violation, _) = decode(&stream, &[piece], LIMIT);
        if std::str::from_utf8(&bytes).is_ok() {
            prop_assert_eq!((messages, violation), (vec![Incoming::Text(bytes.into())], None));
        } else {
            prop_assert_eq!((messages, violation), (vec![], Some(Violation::NotUtf8)));
        }
    }
}
