//! A client's frames, byte by byte, for tests: right ones and wrong ones.

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CONTINUATION: u8 = 0;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The last or only frame of a message, masked.
pub(super) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(0x80 | opcode, payload)
}

/// A frame that others follow.
pub(super) fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(opcode, payload)
}

/// A frame with any first byte.
pub(super) fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ KEY[i % 4]));
    frame
}

/// A masked frame's header alone, with any length.
pub(super) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..126 => header.push(0x80 | u8::try_from(length).expect("short")),
        126..=0xffff => {
            header.push(0xfe);
            header.extend(u16::try_from(length).expect("medium").to_be_bytes());
        }
        _ => {
            header.push(0xff);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend(KEY);
    header
}

/// Bytes that do not get smaller by being compressed.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
