//! A frame's header as a client sends it (RFC 6455 §5.2), checked as soon as its bytes are there.

use super::frame::MAX_CONTROL;
use super::violation::Violation;

/// Longest: two bytes, eight of length, four of mask.
pub(super) const MAX_HEADER: usize = 14;

pub(super) const LENGTH_16: u8 = 126;
pub(super) const LENGTH_64: u8 = 127;

const FIN: u8 = 0x80;
pub(super) const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpCode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl OpCode {
    pub(super) fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: OpCode,
    pub(super) fin: bool,
    /// RSV1: this message is compressed. Whether that was agreed on is for the decoder to say.
    pub(super) compressed: bool,
    /// Of the payload. Nothing may be reserved for it before the limit was looked at.
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

/// What the first bytes of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The header has this many bytes in all, as far as can be told.
    Needs(usize),
    /// The header and its own length.
    Whole(Header, usize),
}

/// Looks at the bytes from a frame's start. The RFC's rules that need no more than the header are
/// checked here, a length that is not in its shortest form among them: §5.2 demands it, and no
/// client is known that sends others.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Violation> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(Parsed::Needs(2));
    };
    if first & RSV2_AND_3 != 0 {
        return Err(Violation::ReservedBits);
    }
    let opcode = OpCode::from_bits(first & 0x0f).ok_or(Violation::ReservedOpCode(first & 0x0f))?;
    let (fin, compressed) = (first & FIN != 0, first & RSV1 != 0);
    if second & MASKED == 0 {
        return Err(Violation::Unmasked);
    }
    let short = second & !MASKED;
    if opcode.is_control() {
        if compressed {
            return Err(Violation::ReservedBits);
        }
        if !fin {
            return Err(Violation::FragmentedControl);
        }
        if usize::from(short) > MAX_CONTROL {
            return Err(Violation::LongControl);
        }
    }
    let (length, rest) = match short {
        LENGTH_16 => {
            let Some((bytes, rest)) = rest.split_first_chunk::<2>() else {
                return Ok(Parsed::Needs(8));
            };
            let length = u64::from(u16::from_be_bytes(*bytes));
            if length < u64::from(LENGTH_16) {
                return Err(Violation::LengthNotMinimal);
            }
            (length, rest)
        }
        LENGTH_64 => {
            let Some((bytes, rest)) = rest.split_first_chunk::<8>() else {
                return Ok(Parsed::Needs(MAX_HEADER));
            };
            let length = u64::from_be_bytes(*bytes);
            if length >> 63 != 0 {
                return Err(Violation::LengthTooLarge);
            }
            if u16::try_from(length).is_ok() {
                return Err(Violation::LengthNotMinimal);
            }
            (length, rest)
        }
        short => (u64::from(short), rest),
    };
    let Some((&mask, after)) = rest.split_first_chunk::<4>() else {
        return Ok(Parsed::Needs(bytes.len() - rest.len() + 4));
    };
    let header = Header {
        opcode,
        fin,
        compressed,
        length,
        mask,
    };
    Ok(Parsed::Whole(header, bytes.len() - after.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn whole(bytes: &[u8]) -> Header {
        match parse(bytes) {
            Ok(Parsed::Whole(header, length)) => {
                assert_eq!(length, bytes.len());
                header
            }
            other => panic!("{bytes:02x?}: {other:?}"),
        }
    }

    #[test]
    fn the_three_forms_of_length_are_read() {
        let header = |length| Header {
            opcode: OpCode::Binary,
            fin: true,
            compressed: false,
            length,
            mask: MASK,
        };
        assert_eq!(whole(&[0x82, 0xfd, 1, 2, 3, 4]), header(125));
        assert_eq!(whole(&[0x82, 0xfe, 0, 126, 1, 2, 3, 4]), header(126));
        assert_eq!(whole(&[0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4]), header(65535));
        assert_eq!(
            whole(&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]),
            header(65536)
        );
        let most = [
            0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4,
        ];
        assert_eq!(whole(&most), header(u64::MAX >> 1));
    }

    #[test]
    fn a_cut_header_says_how_long_it_will_be() {
        for bytes in [
            &[0x82, 0x85, 1, 2, 3, 4][..],
            &[0x82, 0xfe, 1, 0, 1, 2, 3, 4],
            &[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4],
        ] {
            for cut in 2..bytes.len() {
                assert_eq!(
                    parse(&bytes[..cut]),
                    Ok(Parsed::Needs(bytes.len())),
                    "{cut} of {bytes:02x?}"
                );
            }
            assert_eq!(parse(&bytes[..1]), Ok(Parsed::Needs(2)));
        }
    }

    #[test]
    fn what_the_rfc_forbids_is_refused_from_the_header_alone() {
        for (bytes, violation) in [
            (&[0x81, 0x05][..], Violation::Unmasked),
            (&[0xa1, 0x85], Violation::ReservedBits),
            (&[0x91, 0x85], Violation::ReservedBits),
            (&[0xc9, 0x80], Violation::ReservedBits),
            (&[0x83, 0x80], Violation::ReservedOpCode(3)),
            (&[0x8b, 0x80], Violation::ReservedOpCode(11)),
            (&[0x8f, 0x80], Violation::ReservedOpCode(15)),
            (&[0x09, 0x80], Violation::FragmentedControl),
            (&[0x89, 0xfe], Violation::LongControl),
            (&[0x88, 0xff], Violation::LongControl),
            (&[0x82, 0xfe, 0, 125], Violation::LengthNotMinimal),
            (
                &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
                Violation::LengthNotMinimal,
            ),
            (
                &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
                Violation::LengthTooLarge,
            ),
        ] {
            assert_eq!(parse(bytes), Err(violation), "{bytes:02x?}");
        }
    }
}
