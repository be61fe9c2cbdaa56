//! The short way out: whoever has put frames in writes them to the socket itself, so that a publication costs its
//! receiver no turn of a task.
//!
//! Only where the socket takes bytes as they are, while the connection's task has nothing of its own under way and
//! nothing but frames waits. Whatever is left, or cannot be written here, is the task's.

use std::collections::VecDeque;
use std::io::IoSlice;

use tokio::time::Instant;

use super::{Frames, Outbox, Queue, Tally};
use crate::transport::accept::Writer;
use crate::transport::ws::{SLICES, gather};

/// How an outbox reaches its socket.
#[derive(Debug, Default)]
pub(super) struct Direct {
    writer: Option<Writer>,
    /// The connection's task has frames that are not written yet.
    busy: bool,
    /// When frames were written past the task, and it has not asked since.
    wrote: Option<Instant>,
}

impl Direct {
    pub(super) fn new(writer: Option<Writer>, busy: bool) -> Self {
        Self {
            writer,
            busy,
            ..Self::default()
        }
    }

    /// The task has taken frames: until it says that they are written nobody else may write.
    pub(super) fn occupy(&mut self) {
        self.busy = true;
    }
}

impl Outbox {
    /// Writes what waits, or lets the connection's task do it.
    pub(crate) fn flush(&self, tally: &mut Tally<'_>) {
        let mut queue = self.queue.lock();
        if queue.write(self, tally) {
            return;
        }
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// For the task: all frames that it has taken are written.
    pub(crate) fn written(&self) {
        self.queue.lock().direct.busy = false;
    }

    /// For the task: when frames were last written past it, since it asked.
    pub(crate) fn wrote(&self) -> Option<Instant> {
        self.queue.lock().direct.wrote.take()
    }
}

impl Queue {
    /// `false` if something is left to do.
    fn write(&mut self, outbox: &Outbox, tally: &mut Tally<'_>) -> bool {
        if self.ending.is_some() || self.lag.is_some() || self.orders.is_some() || self.direct.busy {
            return false;
        }
        while !self.waiting.is_empty() {
            // Who follows a trace is told by the task.
            if self.waiting.iter().any(|frames| frames.traced().is_some()) {
                return false;
            }
            let Some(writer) = &self.direct.writer else {
                return false;
            };
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = gather(self.waiting.iter().map(Frames::bytes), &mut slices);
            // An error is the task's as well: it meets it again.
            let Ok(written @ 1..) = writer.try_write(&slices[..count]) else {
                return false;
            };
            tally.wrote(written);
            self.direct.wrote = Some(tally.now());
            self.advance(written, outbox, tally);
        }
        self.woken = false;
        true
    }

    /// So many bytes of what waits are written.
    fn advance(&mut self, mut written: usize, outbox: &Outbox, tally: &mut Tally<'_>) {
        while let Some(first) = self.waiting.front_mut() {
            let (length, size) = (first.bytes().len(), first.size());
            if written < length {
                if written > 0 {
                    first.begin(written);
                    let left = first.size();
                    self.bytes = self.bytes - size + left;
                    tally.left(size, left);
                }
                return;
            }
            written -= length;
            self.bytes -= size;
            tally.left(size, 0);
            tally.sent(outbox.format, first);
            self.waiting.pop_front();
        }
        self.waiting = VecDeque::new();
    }
}

#[cfg(test)]
mod tests;
