//! WebSocket frames. However the network cuts a stream into pieces, the same messages must come out of it, and
//! what is held in between must not be more than was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_gateway::transport::ws::{Decoder, Incoming, Violation};

/// Of one message.
const LIMIT: usize = 4_096;
/// What a decoder may hold beside a message.
const BESIDE: usize = 4_096;

// Whether compression was agreed on, the size of the pieces, the stream.
fuzz_target!(|input: &[u8]| {
    let [inflates, piece, stream @ ..] = input else {
        return;
    };
    let inflates = inflates % 2 == 1;
    let whole = decode(inflates, stream, stream.len().max(1));
    let pieces = decode(inflates, stream, usize::from(*piece).max(1));
    assert_eq!(whole, pieces);
});

fn decode(inflates: bool, stream: &[u8], piece: usize) -> (Vec<Incoming>, Option<Violation>) {
    let mut decoder = Decoder::new(LIMIT).inflating(inflates);
    let mut messages = Vec::new();
    for piece in stream.chunks(piece) {
        let mut rest = piece.to_vec();
        while !rest.is_empty() {
            let decoded = match decoder.decode(&mut rest) {
                Ok(decoded) => decoded,
                Err(violation) => return (messages, Some(violation)),
            };
            assert!(decoded.used > 0, "it takes nothing and will for ever");
            assert!(
                decoder.held() <= 2 * LIMIT + BESIDE,
                "it holds {}",
                decoder.held()
            );
            rest.drain(..decoded.used);
            messages.extend(decoded.message);
        }
    }
    (messages, None)
}
