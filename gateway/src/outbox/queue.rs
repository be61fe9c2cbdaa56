//! What an outbox holds, under its lock.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use super::direct::Direct;
use super::lag::Lag;
use super::{Ending, Frames, Order, Put};

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Frames>,
    pub(super) bytes: usize,
    /// Somebody has been told to wake the connection's task, and it has not looked since.
    pub(super) woken: bool,
    pub(super) waker: Option<Waker>,
    /// Boxed, as nearly no connection has one.
    pub(super) ending: Option<Box<Ending>>,
    /// Only while the client does not keep up.
    pub(super) lag: Option<Box<Lag>>,
    /// For the connection's session, in the order they were given.
    #[expect(clippy::box_collection, reason = "hardly any connection ever has one")]
    pub(super) orders: Option<Box<VecDeque<Order>>>,
    pub(super) direct: Direct,
}

impl Queue {
    pub(super) fn register(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        // Given since the task looked, when there may have been nobody to wake.
        if self.orders.is_some() {
            cx.waker().wake_by_ref();
        }
    }

    pub(super) fn push(&mut self, frames: Frames) -> Put {
        let size = frames.size();
        self.bytes += size;
        if self.waiting.capacity() == 0 {
            // Mostly nothing comes before it is taken again.
            self.waiting.reserve_exact(1);
        }
        self.waiting.push_back(frames);
        Put::Queued {
            wake: self.must_wake(),
            bytes: size.try_into().unwrap_or(i64::MAX),
        }
    }

    /// The next frames for the task.
    pub(super) fn take(&mut self) -> Option<Frames> {
        let frames = self.waiting.pop_front()?;
        self.bytes -= frames.size();
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        self.direct.occupy();
        Some(frames)
    }

    pub(super) fn must_wake(&mut self) -> bool {
        !std::mem::replace(&mut self.woken, true)
    }

    /// Drops what waits, and ends the connection. `messages` were to come.
    pub(super) fn overflow(&mut self, messages: u64) -> Put {
        let mut bytes = self.bytes;
        // Without its rest the client could not tell where the close frame begins.
        let is_begun = self.waiting.front().is_some_and(Frames::is_begun);
        let begun = if is_begun { self.waiting.pop_front() } else { None };
        let messages = self.waiting.iter().map(Frames::messages).sum::<u64>() + messages;
        self.discard();
        if let Some(frames) = begun {
            bytes -= frames.size();
            self.push(frames);
        }
        self.ending = Some(Box::new(Ending::Slow));
        self.woken = true;
        Put::Overflowed { messages, bytes }
    }

    /// Where the client stands in topics that it is behind in is kept: it has not left them.
    pub(super) fn discard(&mut self) {
        self.waiting = VecDeque::new();
        self.bytes = 0;
        if let Some(lag) = &mut self.lag {
            lag.discard();
        }
        self.tidy();
    }
}
