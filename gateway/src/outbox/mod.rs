//! What waits to be written to one connection: frames, ready-made, bounded in bytes.
//!
//! The hub and the connection's own session put frames in and never wait; the connection's task takes
//! them out as its socket drains. An empty outbox holds no memory beyond itself. When it is full the
//! client is too slow: what waits is dropped and the connection is told to close.

mod frames;
mod metrics;
mod set;

pub(crate) use frames::{Frames, FramesBuilder};
pub(crate) use metrics::Metrics;
pub(crate) use set::OutboxSet;

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tidegate_shared::code::CloseCode;
use tidegate_shared::name::SessionId;

use crate::dialect::{Format, Goodbye};

/// One connection as the rest of the node sees it: who it is, what it is written in, and the way to it.
#[derive(Debug)]
pub(crate) struct Outbox {
    session: SessionId,
    format: Format,
    /// Most bytes that wait. One item may pass it if nothing else waits.
    limit: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Frames>,
    bytes: usize,
    /// Somebody has been told to wake the connection's task, and it has not looked since.
    woken: bool,
    waker: Option<Waker>,
    ending: Option<Ending>,
}

/// Why the node ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// After what waits has been written.
    Orderly {
        code: CloseCode,
        goodbye: Option<Goodbye>,
    },
    /// At once: the outbox was full.
    Slow,
}

/// What became of frames that were put into an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// They wait. `wake`: the caller must call [`Outbox::wake`] when it is done with its batch.
    Queued { wake: bool },
    /// The outbox overflowed just now; this many messages were dropped, these among them, and `bytes`
    /// no longer wait. The caller must wake.
    Overflowed { messages: u64, bytes: usize },
    /// The connection is ending; nothing was kept.
    Ending,
}

/// What the connection's task took out.
#[derive(Debug)]
pub(crate) enum Taken {
    Frames(Frames),
    End(Ending),
}

impl Outbox {
    pub(crate) fn new(session: SessionId, format: Format, limit: usize) -> Self {
        Self {
            session,
            format,
            limit,
            queue: Mutex::default(),
        }
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn put(&self, frames: Frames) -> Put {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return Put::Ending;
        }
        if queue.bytes > 0 && queue.bytes + frames.size() > self.limit {
            let messages = queue.waiting.iter().map(Frames::messages).sum::<u64>() + frames.messages();
            let bytes = queue.bytes;
            queue.discard();
            queue.ending = Some(Ending::Slow);
            queue.woken = true;
            return Put::Overflowed { messages, bytes };
        }
        queue.bytes += frames.size();
        queue.waiting.push_back(frames);
        let wake = !queue.woken;
        queue.woken = true;
        Put::Queued { wake }
    }

    /// Ends the connection, unless it is ending already.
    pub(crate) fn end(&self, ending: Ending) {
        let mut queue = self.queue.lock();
        if queue.ending.is_none() {
            queue.ending = Some(ending);
            queue.woken = true;
            drop(queue);
            self.wake();
        }
    }

    /// Lets the connection's task look at what is there.
    pub(crate) fn wake(&self) {
        let waker = self.queue.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next frames in the order they were put, then the ending, if there is one. Once it is pending
    /// the task is woken for whatever comes.
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Taken> {
        let mut queue = self.queue.lock();
        if let Some(frames) = queue.waiting.pop_front() {
            queue.bytes -= frames.size();
            if queue.waiting.is_empty() {
                queue.waiting = VecDeque::new();
            }
            return Poll::Ready(Taken::Frames(frames));
        }
        if let Some(ending) = queue.ending {
            return Poll::Ready(Taken::End(ending));
        }
        queue.woken = false;
        queue.register(cx);
        Poll::Pending
    }

    /// The next frames, if some wait. For the task that takes, which looks again before it rests.
    pub(crate) fn take(&self) -> Option<Frames> {
        let mut queue = self.queue.lock();
        let frames = queue.waiting.pop_front()?;
        queue.bytes -= frames.size();
        if queue.waiting.is_empty() {
            queue.waiting = VecDeque::new();
        }
        Some(frames)
    }

    /// For a task that cannot write at the moment: it is woken only if the client turns out too slow.
    pub(crate) fn poll_slow(&self, cx: &Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if queue.ending == Some(Ending::Slow) {
            return Poll::Ready(());
        }
        queue.woken = true;
        queue.register(cx);
        Poll::Pending
    }

    /// Nobody takes any more. Gives the number of bytes that waited.
    pub(crate) fn close(&self) -> usize {
        let mut queue = self.queue.lock();
        queue.ending.get_or_insert(Ending::Slow);
        queue.waker = None;
        let bytes = queue.bytes;
        queue.discard();
        bytes
    }
}

impl Queue {
    fn register(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    fn discard(&mut self) {
        self.waiting = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests;
