//! Messages that a server has compressed (RFC 7692), each by itself. One for all clients.

use anyhow::{Result, ensure};
use flate2::{Decompress, FlushDecompress, Status};

/// What a compressor's flush ends with, which is not sent.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// Of output that is there at least for the next step.
const ROOM: usize = 4 * 1024;
/// Bytes of one message: far more than a scenario publishes, in all that a server can put into one.
const MOST: usize = 16 * 1024 * 1024;

pub(crate) struct Inflate {
    state: Decompress,
    /// The last message as it came, and what it says. With many followers of a topic the next is often the same, and
    /// need not be inflated again: this program must not become what a server waits for.
    last: Vec<u8>,
    text: Vec<u8>,
}

impl Inflate {
    pub(crate) fn new() -> Self {
        Self {
            state: Decompress::new(false),
            last: Vec::new(),
            text: Vec::new(),
        }
    }

    pub(crate) fn message(&mut self, compressed: &[u8]) -> Result<&[u8]> {
        if self.text.is_empty() || self.last != compressed {
            // Should it fail, nothing is taken for it later.
            self.text.clear();
            self.last.clear();
            self.last.extend_from_slice(compressed);
            self.run()?;
        }
        Ok(&self.text)
    }

    fn run(&mut self) -> Result<()> {
        self.state.reset(false);
        for part in [&self.last[..], &TAIL] {
            let mut rest = part;
            loop {
                ensure!(self.text.len() < MOST, "a message of more than {MOST} bytes");
                self.text.reserve(ROOM);
                let (read, written) = (self.state.total_in(), self.text.len());
                let status = self
                    .state
                    .decompress_vec(rest, &mut self.text, FlushDecompress::Sync)?;
                let read = usize::try_from(self.state.total_in() - read)?;
                rest = &rest[read..];
                // A compressor may also have ended its stream.
                if status == Status::StreamEnd {
                    return Ok(());
                }
                if rest.is_empty() && self.text.len() < self.text.capacity() {
                    break;
                }
                ensure!(
                    read > 0 || self.text.len() > written,
                    "a compressed message that goes nowhere"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) fn deflated(text: &[u8]) -> Vec<u8> {
    use flate2::{Compress, Compression, FlushCompress};
    let mut out = Vec::with_capacity(text.len() + 64);
    Compress::new(Compression::new(6), false)
        .compress_vec(text, &mut out, FlushCompress::Sync)
        .expect("compressed");
    out.strip_suffix(&TAIL).expect("flushed").to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_inflated_by_itself_and_again_if_it_comes_again() {
        let mut inflate = Inflate::new();
        let long = "tide ".repeat(10_000);
        for text in ["one", "one", "two", &long, "one"] {
            let read = inflate.message(&deflated(text.as_bytes())).expect("whole");
            assert!(read == text.as_bytes(), "{} bytes", read.len());
        }
    }

    #[test]
    fn what_is_not_compressed_is_an_error_each_time_it_comes() {
        let mut inflate = Inflate::new();
        for _ in 0..2 {
            assert!(inflate.message(&[0xff; 40]).is_err());
        }
        assert_eq!(inflate.message(&deflated(b"one")).expect("whole"), b"one");
    }
}
