//! Frames on their way out of one connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// Most slices of one vectored write.
pub(crate) const SLICES: usize = 64;
/// A write stops gathering slices at this many bytes: as much as the socket's send buffer takes.
const GATHER: usize = 64 * 1024;

/// Whole frames, in order, of which the first may be written in part. Knows its size in bytes; the
/// limit is its owner's to keep. Holds no memory when empty.
#[derive(Debug, Default)]
pub struct SendQueue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The first frame lost its beginning to the socket.
    begun: bool,
    /// The stream may still hold something back.
    unflushed: bool,
}

impl SendQueue {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.bytes += frame.len();
            self.frames.push_back(frame);
        }
    }

    /// A frame of which the beginning has been written, by others. Before all other frames.
    pub fn push_begun(&mut self, rest: Bytes) {
        self.begun |= !rest.is_empty();
        self.push(rest);
    }

    /// Bytes that are not written yet.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frames that are not written yet, or not wholly.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Nothing is left to write or to flush.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && !self.unflushed
    }

    /// Drops every frame of which nothing was written. A frame that was begun must be ended: without
    /// its rest the client could not tell where the next one starts.
    pub fn clear_unstarted(&mut self) {
        self.frames.truncate(usize::from(self.begun));
        self.bytes = self.frames.front().map_or(0, Bytes::len);
        self.frames.shrink_to_fit();
    }

    /// Writes until the queue is empty and flushed, or the stream takes no more. What was written is
    /// gone from the queue even if this is never polled again.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.frames.is_empty() {
            let written = {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = gather(self.frames.iter(), &mut slices);
                ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.advance(written);
        }
        ready!(Pin::new(stream).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        while let Some(first) = self.frames.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.begun |= written > 0;
                return;
            }
            written -= first.len();
            self.begun = false;
            self.frames.pop_front();
        }
        self.frames = VecDeque::new();
    }
}

/// Fills slices for one write, and gives their number.
pub(crate) fn gather<'a>(
    frames: impl Iterator<Item = &'a Bytes>,
    slices: &mut [IoSlice<'a>; SLICES],
) -> usize {
    let mut count = 0;
    let mut bytes = 0;
    for (slice, frame) in slices.iter_mut().zip(frames) {
        *slice = IoSlice::new(frame);
        count += 1;
        bytes += frame.len();
        if bytes >= GATHER {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(frames: &[&'static [u8]]) -> SendQueue {
        let mut queue = SendQueue::new();
        for frame in frames {
            queue.push(Bytes::from_static(frame));
        }
        queue
    }

    #[test]
    fn the_byte_count_follows_partial_writes() {
        let mut queue = queue(&[b"abc", b"", b"defg"]);
        assert_eq!((queue.bytes(), queue.frames()), (7, 2));
        queue.advance(2);
        assert_eq!((queue.bytes(), queue.frames()), (5, 2));
        queue.advance(2);
        assert_eq!((queue.bytes(), queue.frames()), (3, 1));
        queue.advance(3);
        assert_eq!(
            (queue.bytes(), queue.is_empty(), queue.frames.capacity()),
            (0, true, 0)
        );
    }

    #[test]
    fn clearing_keeps_the_frame_that_was_begun() {
        let mut begun = queue(&[b"abc", b"def"]);
        begun.advance(1);
        begun.clear_unstarted();
        assert_eq!((begun.bytes(), begun.frames()), (2, 1));
        let mut whole = queue(&[b"abc", b"def"]);
        whole.advance(3);
        whole.clear_unstarted();
        assert_eq!((whole.bytes(), whole.frames()), (0, 0));
    }

    #[test]
    fn one_write_gathers_many_frames_up_to_a_limit() {
        let mut many = SendQueue::new();
        for _ in 0..100 {
            many.push(Bytes::from_static(b"x"));
        }
        assert_eq!(
            gather(many.frames.iter(), &mut [IoSlice::new(&[]); SLICES]),
            SLICES
        );
        let mut large = SendQueue::new();
        for _ in 0..10 {
            large.push(vec![0; 40_000].into());
        }
        assert_eq!(gather(large.frames.iter(), &mut [IoSlice::new(&[]); SLICES]), 2);
    }
}
