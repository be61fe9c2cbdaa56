//! What waits to be written to one connection: frames, ready-made, bounded in bytes.
//!
//! The hub and the connection's own session put frames in and never wait. The hub writes them to the socket itself
//! where it can; the connection's task takes out the rest as its socket drains. An empty outbox holds no memory beyond
//! itself.
//!
//! A client that does not keep up costs a quarter of its limit before anything is done. From there on
//! topics with the policy `latest` are coalesced, and of those with `catch-up` it is only kept where the
//! client stands: it reads the log from there when it has taken what waits. When the outbox is full all
//! the same, what waits is dropped and the connection is told to close.

mod chosen;
mod conflation;
mod direct;
mod frames;
mod lag;
mod leaving;
mod metrics;
mod order;
mod queue;
mod set;
mod tally;

pub(crate) use frames::{Frames, FramesBuilder, Origin, Traced};
pub(crate) use leaving::Leaving;
pub(crate) use metrics::Metrics;
pub(crate) use order::{Follow, Order};
pub(crate) use set::OutboxSet;
pub(crate) use tally::Tally;

use std::task::{Context, Poll};

use parking_lot::Mutex;
use tidegate_shared::code::CloseCode;
use tidegate_shared::name::SessionId;
use tidegate_shared::position::Position;
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;
use tokio::time::Instant;

use crate::dialect::{Format, Goodbye};
use crate::transport::accept::Writer;
use crate::transport::ws::SendQueue;
use chosen::Chosen;
use direct::Direct;
use queue::Queue;

/// One connection as the rest of the node sees it: who it is, what it is written in, and the way to it.
#[derive(Debug)]
pub(crate) struct Outbox {
    session: SessionId,
    format: Format,
    /// Most bytes that wait. One item may pass it if nothing else waits.
    limit: u32,
    /// Of some topics it is handed only what its client has chosen.
    chosen: Option<Box<Mutex<Chosen>>>,
    queue: Mutex<Queue>,
}

/// Above this part of its limit an outbox belongs to a client that does not keep up.
const SLOW: usize = 4;

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

/// What became of frames that were put into an outbox. `bytes`: how many more of them wait now. `wake`:
/// the caller must call [`Outbox::wake`] when it is done with its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// They wait.
    Queued { wake: bool, bytes: i64 },
    /// What is newest in them waits; this many messages were left out.
    Coalesced { wake: bool, bytes: i64, messages: u64 },
    /// The client does not keep up; nothing was kept, but where it stands.
    Behind,
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
    /// Nothing waits, and of this topic the log is to be read from there on.
    /// [`Outbox::refilled`] must be called before the next one is told.
    Behind(Topic, Position),
    End(Ending),
}

impl Outbox {
    pub(crate) fn new(session: SessionId, format: Format, limit: usize) -> Self {
        Self {
            session,
            format,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            chosen: format.dialect().chooses().then(Box::default),
            queue: Mutex::default(),
        }
    }

    /// One that is emptied past the connection's task where that is possible, once the task has written what it
    /// begins with.
    #[must_use]
    pub(crate) fn writing_to(mut self, writer: Option<Writer>, sending: &SendQueue) -> Self {
        self.queue.get_mut().direct = Direct::new(writer, !sending.is_empty());
        self
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Whether there may be something that [`Outbox::wants`] says no to.
    pub(crate) fn chooses(&self) -> bool {
        self.chosen.is_some()
    }

    /// Whether the client has asked for this one, of a topic that it follows.
    pub(crate) fn wants(&self, publication: &Publication) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| {
            let name = self.format.dialect().choice(publication);
            name.is_none_or(|name| chosen.lock().has(name))
        })
    }

    /// From now on the client hears what has this name, or no longer. Without a choice to make it hears everything.
    pub(crate) fn choose(&self, name: &str, is_chosen: bool) {
        if let Some(chosen) = &self.chosen {
            chosen.lock().set(name, is_chosen);
        }
    }

    pub(crate) fn put(&self, frames: Frames) -> Put {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return Put::Ending;
        }
        if !matches!(frames.origin(), Origin::Any) && (queue.is_coalescing() || self.is_slow(&queue, &frames))
        {
            return queue.coalesce(frames, self.limit());
        }
        if queue.bytes > 0 && queue.bytes + frames.size() > self.limit() {
            return queue.overflow(frames.messages());
        }
        queue.push(frames)
    }

    /// The same for publications of a topic whose log is read when the client has taken what waits.
    /// `from`: where it stands without these.
    pub(crate) fn put_or_leave_behind(&self, frames: Frames, topic: &Topic, from: Position) -> Put {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return Put::Ending;
        }
        if self.is_slow(&queue, &frames) {
            queue
                .lag
                .get_or_insert_default()
                .leave_behind(topic.clone(), from);
            return Put::Behind;
        }
        queue.push(frames)
    }

    /// What was read of the log of a topic that is behind, and where the client stands with it: nowhere
    /// if it is behind no longer. [`Put::Behind`] if it does not fit now.
    pub(crate) fn put_page(&self, frames: Option<Frames>, topic: &Topic, place: Option<Position>) -> Put {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return Put::Ending;
        }
        let size = frames.as_ref().map_or(0, Frames::size);
        if queue.bytes > 0 && queue.bytes + size > self.limit() {
            return Put::Behind;
        }
        if let Some(lag) = &mut queue.lag {
            lag.place(topic, place);
        }
        match frames {
            Some(frames) => queue.push(frames),
            None => Put::Queued {
                wake: false,
                bytes: 0,
            },
        }
    }

    /// The topic that [`Taken::Behind`] told was looked after, for the time being.
    pub(crate) fn refilled(&self) {
        let mut queue = self.queue.lock();
        if let Some(lag) = &mut queue.lag {
            lag.end_reading();
        }
        queue.tidy();
    }

    /// The client has left a topic. Gives whether it was behind there, and how many bytes less wait.
    pub(crate) fn forget(&self, topic: &Topic) -> (bool, usize) {
        let mut queue = self.queue.lock();
        for frames in &mut queue.waiting {
            // They stay where they are: before what answers the leaving.
            if frames.origin().topic() == Some(topic) {
                *frames.origin_mut() = Origin::Any;
            }
        }
        let Some(lag) = &mut queue.lag else {
            return (false, 0);
        };
        let (was_behind, bytes) = lag.forget(topic);
        queue.bytes -= bytes;
        queue.tidy();
        (was_behind, bytes)
    }

    /// Whether these would be more than a client that keeps up has waiting.
    fn is_slow(&self, queue: &Queue, frames: &Frames) -> bool {
        queue.bytes > 0 && queue.bytes + frames.size() > self.limit() / SLOW
    }

    /// Ends the connection. `false` if it is ending already.
    pub(crate) fn end(&self, ending: Ending) -> bool {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return false;
        }
        queue.ending = Some(Box::new(ending));
        queue.woken = true;
        drop(queue);
        self.wake();
        true
    }

    /// Has the connection's session do something. `false` if it is ending, or has too much to do.
    pub(crate) fn order(&self, order: Order) -> bool {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return false;
        }
        let orders = queue.orders.get_or_insert_default();
        if orders.len() >= order::ORDERS {
            return false;
        }
        orders.push_back(order);
        drop(queue);
        self.wake();
        true
    }

    /// Tells the session that a topic's job has ended, after that was put. The caller must
    /// [`Outbox::wake`] when it is done with its batch.
    pub(crate) fn ended(&self, topic: &Topic, at: Instant) {
        let mut queue = self.queue.lock();
        if queue.ending.is_none() {
            let topic = topic.clone();
            let orders = queue.orders.get_or_insert_default();
            orders.push_back(Order::Ended { topic, at });
        }
    }

    /// The next order. A task that looks here first and then for frames is woken for both.
    pub(crate) fn next_order(&self) -> Option<Order> {
        let mut queue = self.queue.lock();
        let orders = queue.orders.as_mut()?;
        let order = orders.pop_front();
        if orders.is_empty() {
            queue.orders = None;
        }
        order
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
        if let Some(frames) = queue.take() {
            return Poll::Ready(Taken::Frames(frames));
        }
        if let Some(frames) = queue.take_coalesced(self.format) {
            queue.direct.occupy();
            return Poll::Ready(Taken::Frames(frames));
        }
        if let Some(ending) = &queue.ending {
            return Poll::Ready(Taken::End(**ending));
        }
        if let Some((topic, from)) = queue.lag.as_mut().and_then(|lag| lag.begin_reading()) {
            return Poll::Ready(Taken::Behind(topic, from));
        }
        queue.woken = false;
        queue.register(cx);
        Poll::Pending
    }

    /// The next frames, if some wait. For the task that takes, which looks again before it rests.
    pub(crate) fn take(&self) -> Option<Frames> {
        self.queue.lock().take()
    }

    /// For a task that cannot write at the moment: it is woken only if the client turns out too slow.
    pub(crate) fn poll_slow(&self, cx: &Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if queue.ending.as_deref() == Some(&Ending::Slow) {
            return Poll::Ready(());
        }
        queue.woken = true;
        queue.register(cx);
        Poll::Pending
    }

    /// Nobody takes any more. Gives the number of bytes that waited.
    pub(crate) fn close(&self) -> usize {
        let mut queue = self.queue.lock();
        queue.ending.get_or_insert_with(|| Box::new(Ending::Slow));
        queue.waker = None;
        queue.direct = Direct::default();
        let bytes = queue.bytes;
        queue.discard();
        bytes
    }
}

impl Origin {
    /// The topic that a slow client gets less of.
    fn topic(&self) -> Option<&Topic> {
        match self {
            Self::Any => None,
            Self::Latest(publications) => publications.first().map(|one| &one.topic),
            Self::Notice { topic, .. } => Some(topic),
        }
    }
}

#[cfg(test)]
mod tests;
