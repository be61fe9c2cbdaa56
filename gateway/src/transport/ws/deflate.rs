//! Compressing whole messages (RFC 7692 §7.2.1).
//!
//! Compressors belong to the thread, not to a connection: no message leans on an earlier one, so what
//! is compressed once is right for everybody.

use std::cell::Cell;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::extension::Window;

/// Smaller messages are sent as they are: it would save a few bytes at most.
pub(super) const WORTHWHILE: usize = 128;
/// Ends what a flush gives, and is not sent.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// Most bytes of output that a thread keeps room for until the next message.
const KEPT: usize = 128 * 1024;
/// zlib's own middle.
const LEVEL: u32 = 6;

struct Deflater {
    state: Compress,
    out: Vec<u8>,
}

thread_local! {
    static FULL: Cell<Option<Deflater>> = const { Cell::new(None) };
    static SMALL: Cell<Option<Deflater>> = const { Cell::new(None) };
}

/// Lends what `payload` is compressed to; `None` if that would have more than `limit` bytes.
pub(super) fn message<T>(
    payload: &[u8],
    window: Window,
    limit: usize,
    take: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let (place, bits) = match window {
        Window::Full => (&FULL, 15),
        Window::Small => (&SMALL, 9),
    };
    let mut deflater = place.take().unwrap_or_else(|| Deflater {
        state: Compress::new_with_window_bits(Compression::new(LEVEL), false, bits),
        out: Vec::new(),
    });
    let taken = deflater.run(payload, limit).map(take);
    deflater.out.clear();
    deflater.out.shrink_to(KEPT);
    place.set(Some(deflater));
    taken
}

impl Deflater {
    fn run(&mut self, payload: &[u8], limit: usize) -> Option<&[u8]> {
        self.state.reset();
        self.out.clear();
        // With one byte left over, everything has been flushed.
        let room = limit
            .min(payload.len() + payload.len() / 64 + 64)
            .saturating_add(TAIL.len() + 1);
        self.out.reserve(room);
        let status = self
            .state
            .compress_vec(payload, &mut self.out, FlushCompress::Sync);
        let is_whole = matches!(status, Ok(Status::Ok))
            && self.state.total_in() == payload.len() as u64
            && self.out.len() < self.out.capacity();
        let compressed = self.out.strip_suffix(&TAIL)?;
        (is_whole && compressed.len() <= limit).then_some(compressed)
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    use super::super::inflate;
    use super::*;

    fn compressed(payload: &[u8], window: Window) -> Vec<u8> {
        message(payload, window, usize::MAX, <[u8]>::to_vec).expect("compressed")
    }

    #[test]
    fn what_does_not_get_small_enough_is_not_given() {
        let text = b"tide ".repeat(100);
        let length = compressed(&text, Window::Full).len();
        assert!(length < 40);
        assert_eq!(message(&text, Window::Full, length, <[u8]>::len), Some(length));
        assert_eq!(message(&text, Window::Full, length - 1, <[u8]>::len), None);
        // The next message does not find what is left of the one that was given up.
        assert_eq!(inflate::message(&compressed(&text, Window::Full), 1000), Ok(text));
    }

    #[test]
    fn the_small_window_is_read_by_one_of_512_bytes() {
        // Repeats at a distance of 600 and more, which only the full window reaches.
        let block = super::super::wire::noise(600);
        let payload = block.repeat(5);
        let small = compressed(&payload, Window::Small);
        let full = compressed(&payload, Window::Full);
        assert!(full.len() * 3 < small.len(), "{} and {}", full.len(), small.len());
        let mut reader = Decompress::new_with_window_bits(false, 9);
        let mut read = Vec::new();
        // In small pieces: within one call, what was just written serves as the window.
        let mut piece = Vec::with_capacity(16);
        let input = [&small[..], &TAIL].concat();
        let mut rest = &input[..];
        while read.len() < payload.len() {
            let before = reader.total_in();
            reader
                .decompress_vec(rest, &mut piece, FlushDecompress::Sync)
                .expect("within the window");
            rest = &rest[usize::try_from(reader.total_in() - before).expect("small")..];
            read.append(&mut piece);
            piece.reserve_exact(16);
        }
        assert_eq!(read, payload);
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(
            parts in proptest::collection::vec((any::<u8>(), 1usize..40), 0..200),
            noise in proptest::collection::vec(any::<u8>(), 0..3000),
        ) {
            let mut payload: Vec<u8> = parts.iter().flat_map(|(byte, count)| vec![*byte; *count]).collect();
            payload.extend(noise);
            for window in [Window::Full, Window::Small] {
                let compressed = compressed(&payload, window);
                prop_assert!(compressed.len() <= inflate::most_compressed(payload.len()));
                prop_assert_eq!(&inflate::message(&compressed, payload.len()), &Ok(payload.clone()));
            }
        }
    }
}
