//! Decompressing whole messages (RFC 7692 §7.2.2), within a limit.
//!
//! The decompressor belongs to the thread, not to a connection: nothing is kept between messages.

use std::cell::Cell;

use flate2::{Decompress, FlushDecompress, Status};

use super::violation::Violation;

/// What the sender cut off (§7.2.1), and an empty last block: it is reached only if the message ended
/// between two blocks, so that half a message is not taken for a whole one.
const TAIL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
/// A first guess of how much smaller a message was made.
const RATIO: usize = 4;

thread_local! {
    static INFLATER: Cell<Option<Decompress>> = const { Cell::new(None) };
}

/// Most bytes that a message of at most `limit` bytes has while it is compressed: what does not shrink
/// grows by a few bytes for each of its blocks.
pub(super) fn most_compressed(limit: usize) -> usize {
    limit.saturating_add(limit / 64).saturating_add(64)
}

/// The message that `payload` is the compressed form of. Never takes more memory than `limit`.
pub(super) fn message(payload: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    if payload.is_empty() {
        return Ok(Vec::new());
    }
    let mut inflater = INFLATER.take().unwrap_or_else(|| Decompress::new(false));
    let message = inflate(&mut inflater, payload, limit);
    INFLATER.set(Some(inflater));
    message
}

fn inflate(inflater: &mut Decompress, payload: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    let mut message = Vec::new();
    message.reserve_exact(payload.len().saturating_mul(RATIO).min(limit));
    // A sender may mark a block as the last (§7.2.3.4); what follows it begins anew.
    let mut ended = true;
    for mut input in [payload, &TAIL] {
        loop {
            if ended {
                inflater.reset(false);
            }
            let (read, written) = (inflater.total_in(), inflater.total_out());
            let is_full = message.len() >= limit;
            let status = if is_full {
                // One byte more tells whether the message is larger than it may be.
                inflater.decompress(input, &mut [0], FlushDecompress::Sync)
            } else {
                grow(&mut message, limit);
                inflater.decompress_vec(input, &mut message, FlushDecompress::Sync)
            };
            let status = status.map_err(|_| Violation::NotDeflate)?;
            let (read, written) = (inflater.total_in() - read, inflater.total_out() - written);
            if message.len() > limit || (is_full && written > 0) {
                return Err(Violation::TooBig { limit });
            }
            input = &input[usize::try_from(read).unwrap_or(usize::MAX).min(input.len())..];
            ended = status == Status::StreamEnd;
            let has_room = is_full || message.len() < message.capacity();
            if input.is_empty() && (ended || has_room) {
                break;
            }
            if read == 0 && written == 0 {
                return Err(Violation::NotDeflate);
            }
        }
    }
    if ended {
        message.shrink_to_fit();
        Ok(message)
    } else {
        Err(Violation::NotDeflate)
    }
}

/// Makes room where there is none.
fn grow(message: &mut Vec<u8>, limit: usize) {
    const LEAST: usize = 64;
    if message.len() == message.capacity() {
        let wanted = message.len().max(LEAST);
        message.reserve_exact(wanted.min(limit - message.len()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::deflate;
    use super::super::extension::Window;
    use super::*;

    const LIMIT: usize = 1000;

    fn compressed(message: &[u8]) -> Vec<u8> {
        deflate::message(message, Window::Full, usize::MAX, <[u8]>::to_vec).expect("compressed")
    }

    #[test]
    fn the_rfcs_examples_are_understood() {
        // RFC 7692 §7.2.3.1, §7.2.3.3, §7.2.3.4 and §7.2.3.5.
        for payload in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ],
        ] {
            assert_eq!(
                message(payload, LIMIT).as_deref(),
                Ok(&b"Hello"[..]),
                "{payload:02x?}"
            );
        }
    }

    #[test]
    fn an_empty_message_has_two_forms() {
        // RFC 7692 §7.2.3.6; senders that leave its one byte out are understood, too.
        assert_eq!(message(&[0x00], LIMIT), Ok(Vec::new()));
        assert_eq!(message(&[], LIMIT), Ok(Vec::new()));
    }

    #[test]
    fn half_a_message_is_none() {
        let whole = compressed(&b"Tidegate ".repeat(20));
        for cut in 1..whole.len() {
            assert_eq!(
                message(&whole[..cut], LIMIT),
                Err(Violation::NotDeflate),
                "{cut} of {} bytes",
                whole.len()
            );
        }
    }

    #[test]
    fn the_limit_is_exact_and_a_bomb_takes_no_more_memory() {
        assert_eq!(
            message(&compressed(&[7; LIMIT]), LIMIT).map(|m| m.len()),
            Ok(LIMIT)
        );
        for size in [LIMIT + 1, 2 * LIMIT, 10_000_000] {
            let bomb = compressed(&vec![7; size]);
            assert_eq!(
                message(&bomb, LIMIT),
                Err(Violation::TooBig { limit: LIMIT }),
                "{size}"
            );
        }
        let bomb = compressed(&vec![0; 10_000_000]);
        let mut taken = Vec::new();
        taken.reserve_exact(LIMIT);
        for _ in 0..20 {
            grow(&mut taken, LIMIT);
            taken.resize(taken.capacity(), 0);
        }
        assert_eq!(taken.capacity(), LIMIT);
        assert!(
            bomb.len() > LIMIT,
            "more than the limit even before it is inflated"
        );
    }

    #[test]
    fn a_message_after_a_broken_one_is_not_touched_by_it() {
        let good = compressed(b"as if nothing had happened, nothing at all");
        for broken in [
            &[0xff, 0xff][..],
            &good[..good.len() / 2],
            &compressed(&[1; 5000]),
        ] {
            assert!(message(broken, LIMIT).is_err());
            assert_eq!(
                message(&good, LIMIT).as_deref(),
                Ok(&b"as if nothing had happened, nothing at all"[..])
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_message_within_the_limit_or_a_violation(
            payload in proptest::collection::vec(any::<u8>(), 0..400),
            limit in 0usize..600,
        ) {
            match message(&payload, limit) {
                Ok(message) => prop_assert!(message.capacity() <= limit && message.len() <= limit),
                Err(Violation::TooBig { limit: told }) => prop_assert_eq!(told, limit),
                Err(violation) => prop_assert_eq!(violation, Violation::NotDeflate),
            }
        }

        #[test]
        fn damaged_messages_stay_within_the_limit(
            parts in proptest::collection::vec((any::<u8>(), 1usize..300), 1..20),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            limit in 0usize..2000,
        ) {
            let original: Vec<u8> = parts.iter().flat_map(|(byte, count)| vec![*byte; *count]).collect();
            let mut payload = compressed(&original);
            for (at, byte) in &damage {
                let at = at.index(payload.len());
                payload[at] = *byte;
            }
            match message(&payload, limit) {
                Ok(message) => {
                    prop_assert!(message.capacity() <= limit);
                    prop_assert!(!damage.is_empty() || message == original);
                }
                Err(Violation::TooBig { .. }) => {
                    prop_assert!(!damage.is_empty() || original.len() > limit);
                }
                Err(_) => prop_assert!(!damage.is_empty()),
            }
        }
    }
}
