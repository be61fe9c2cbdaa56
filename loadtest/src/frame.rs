//! As much of RFC 6455 as a client of a well-behaved server needs: frames are whole messages, and small.

/// A whole frame at the start of `bytes`: its opcode, where its payload begins and where it ends.
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Has RSV1: a message that is compressed.
    pub(crate) compressed: bool,
    /// Has FIN: the message ends with it.
    pub(crate) last: bool,
}

const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

impl Frame {
    /// None while a part of it is missing.
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (length, mut start) = match second & 0x7f {
            126 => (
                usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
                4,
            ),
            127 => {
                let long = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
                (usize::try_from(long).ok()?, 10)
            }
            short => (usize::from(short), 2),
        };
        let mut mask = None;
        if second & 0x80 != 0 {
            mask = Some(bytes.get(start..start + 4)?.try_into().ok()?);
            start += 4;
        }
        let end = start.checked_add(length)?;
        (bytes.len() >= end).then_some(Self {
            opcode: first & 0x0f,
            mask,
            start,
            end,
            compressed: first & COMPRESSED != 0,
            last: first & FIN != 0,
        })
    }
}

/// A frame as a server sends it.
pub(crate) fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0);
    frame.extend_from_slice(payload);
    frame
}

/// A frame as a client sends it. The mask is all zeros: it hides nothing here, and costs nothing.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0x80);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn head(opcode: u8, length: usize, mask: u8) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    if let Ok(short) = u8::try_from(length)
        && short < 126
    {
        frame.push(mask | short);
    } else if let Ok(medium) = u16::try_from(length) {
        frame.push(mask | 0x7e);
        frame.extend_from_slice(&medium.to_be_bytes());
    } else {
        frame.push(mask | 0x7f);
        frame.extend_from_slice(&(length as u64).to_be_bytes());
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_part_is_not_taken_for_the_whole() {
        for length in [0, 5, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            for frame in [unmasked(TEXT, &payload), masked(TEXT, &payload)] {
                assert!(Frame::first(&frame[..frame.len() - 1]).is_none());
                let read = Frame::first(&frame).expect("whole");
                assert_eq!((read.opcode, read.end), (TEXT, frame.len()));
                assert_eq!((read.last, read.compressed), (true, false));
                assert_eq!(frame[read.start..read.end], payload);
            }
        }
    }
}
