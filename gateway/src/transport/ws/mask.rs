//! Removing a client's mask (RFC 6455 §5.3), in place, eight bytes at a time.

/// A mask together with how far it was used: a frame's payload may come in any pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mask(u32);

impl Mask {
    pub(super) fn new(key: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(key))
    }

    /// Unmasks the next bytes of the payload.
    pub(super) fn apply(&mut self, payload: &mut [u8]) {
        let key = self.0.to_ne_bytes();
        let wide = u64::from(self.0) << 32 | u64::from(self.0);
        let mut words = payload.chunks_exact_mut(8);
        for word in &mut words {
            if let Ok(bytes) = <[u8; 8]>::try_from(&*word) {
                word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
            }
        }
        let tail = words.into_remainder();
        for (byte, key) in tail.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
        let mut next = key;
        next.rotate_left(tail.len() % 4);
        self.0 = u32::from_ne_bytes(next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unmasking_in_any_pieces_is_the_rfcs_formula(
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            key: [u8; 4],
            cuts in proptest::collection::vec(0usize..40, 0..20),
        ) {
            let expected: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            let mut bytes = payload;
            let mut mask = Mask::new(key);
            let mut rest = &mut bytes[..];
            for cut in cuts {
                let (piece, after) = rest.split_at_mut(cut.min(rest.len()));
                mask.apply(piece);
                rest = after;
            }
            mask.apply(rest);
            prop_assert_eq!(bytes, expected);
        }
    }
}
