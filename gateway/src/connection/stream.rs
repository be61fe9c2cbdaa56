//! One client's event stream: the same place on the node as a WebSocket, the same session, joins and
//! outbox; only nothing comes in.
//!
//! Its topics are joined one after the other, each when what the one before brought has been taken, so
//! that what a client missed does not overflow its own outbox.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidegate_shared::clock::now_ms;
use tidegate_shared::code::CloseCode;
use tidegate_shared::name::SessionId;
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::catch_up::CatchUp;
use super::membership::Membership;
use super::metrics::ClosedBy;
use super::operation::Operations;
use super::{CHUNK, FAREWELL, VERSION};
use crate::dialect::events::{Cursor, Merger};
use crate::dialect::rpc::EventStream;
use crate::dialect::{Command, Format, Goodbye, Push, Reply, Request, Welcome};
use crate::identity::Identity;
use crate::node::Node;
use crate::outbox::{Ending, Frames, Leaving, Outbox, Taken};
use crate::session::{Effect, Session};
use crate::transport::accept::Line;

/// When a client whose stream broke is to come back; spread, so that many don't at once.
const RETRY: Duration = Duration::from_secs(1);
/// A browser that came back faster could not have got what it was told.
const SOONEST: Duration = Duration::from_millis(100);
const HEARTBEAT: &[u8] = b": \n\n";
/// Of silence, after which a stream of an application's events says that it is there.
const SILENCE: Duration = Duration::from_secs(30);

/// What a client wants to follow.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// As an event stream: of pushes, or of an application's events.
    pub(crate) format: Format,
    pub(crate) topics: Vec<(Topic, Option<Since>)>,
    /// Where the client stands in those of them that it knows.
    pub(crate) cursor: Cursor,
    /// `None`: anonymous.
    pub(crate) identity: Option<Arc<Identity>>,
    /// The client's address, where it is known.
    pub(crate) from: Option<IpAddr>,
    /// Nobody is to be asked whether the client may follow them.
    pub(crate) trusted: bool,
}

/// Where the stream goes.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) chunks: mpsc::Sender<Bytes>,
    pub(crate) line: Line,
    /// Cancelled when the client's connection has taken the last chunk, or is gone.
    pub(crate) taken: CancellationToken,
}

/// Serves a client until it or the node ends the stream.
pub(crate) async fn stream(node: Arc<Node>, wanted: Wanted, sink: Sink) {
    sink.line.keep();
    let mut stream = Box::new(Stream::begin(&node, wanted));
    drop(node);
    stream.run(&sink).await;
    drop(stream);
    let Sink { chunks, line, taken } = sink;
    drop(chunks);
    if tokio::time::timeout(FAREWELL, taken.cancelled()).await.is_err() {
        line.cut();
    }
}

struct Stream {
    member: Membership,
    operations: Operations,
    catch_up: CatchUp,
    wanted: VecDeque<(Topic, Option<Since>)>,
    /// Only for several topics.
    merger: Option<Merger>,
    heartbeat: Interval,
    /// What the client's connection is to take next.
    chunk: Option<Chunk>,
}

#[derive(Default)]
struct Chunk {
    bytes: Bytes,
    leaving: Leaving,
}

impl Stream {
    fn begin(node: &Arc<Node>, wanted: Wanted) -> Self {
        let limit = node.config.limits.outbox;
        let format = wanted.format;
        let outbox = Arc::new(Outbox::new(SessionId::new(), format, limit));
        let mut session = Session::of_listener(node.config.clone(), Instant::now(), rand::random());
        if wanted.trusted {
            session.trust();
        }
        let every = if format == Format::EVENTS {
            node.config.sse.heartbeat
        } else {
            SILENCE
        };
        let mut heartbeat = tokio::time::interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stream = Self {
            member: Membership::begin(node.clone(), outbox, session, wanted.from),
            operations: Operations::default(),
            catch_up: CatchUp::default(),
            merger: (wanted.topics.len() > 1).then(|| Merger::new(wanted.cursor)),
            wanted: wanted.topics.into(),
            heartbeat,
            chunk: (format == Format::EVENTS).then(|| Chunk {
                bytes: retry(RETRY + RETRY.mul_f64(rand::random())).into(),
                ..Chunk::default()
            }),
        };
        let welcome = Push::Welcome(Welcome {
            session: stream.member.outbox.session(),
            node: &node.id,
            user: wanted.identity.as_ref().map(|identity| &identity.user),
            ping: every,
            version: VERSION,
            time_ms: now_ms(),
        });
        stream
            .member
            .say(|out| format.dialect().encode_push(&welcome, out));
        if let Some(identity) = wanted.identity {
            let left = stream.member.left(&identity);
            let effects = stream.member.session.identify(&identity, Instant::now(), left);
            stream.apply(effects);
        }
        stream
    }

    async fn run(&mut self, sink: &Sink) {
        loop {
            let Self {
                member,
                operations,
                catch_up,
                wanted,
                heartbeat,
                chunk,
                ..
            } = self;
            if let Some(order) = member.outbox.next_order() {
                let effects = member.session.on_order(order);
                self.apply(effects);
                continue;
            }
            let outbox = &member.outbox;
            let aged = member.session.age_deadline();
            let may_join = !wanted.is_empty() && operations.is_empty();
            tokio::select! {
                biased;
                () = sink.chunks.closed() => {
                    member.ended = ClosedBy::Client(None);
                    return;
                }
                (ticket, outcome) = poll_fn(|cx| operations.poll_done(cx)) => {
                    let effects = member.session.on_done(ticket, outcome);
                    self.apply(effects);
                }
                () = sleep_until(aged), if aged.is_some() => {
                    let effects = member.session.on_age(Instant::now());
                    self.apply(effects);
                }
                () = poll_fn(|cx| catch_up.poll_done(cx)) => outbox.refilled(),
                () = poll_fn(|cx| outbox.poll_slow(cx)), if chunk.is_some() => {
                    return self.end_slow(sink);
                }
                permit = sink.chunks.reserve(), if chunk.is_some() => {
                    // Without one the client is gone, which the next turn sees.
                    if let (Ok(permit), Some(chunk)) = (permit, chunk.take()) {
                        permit.send(self.sent(chunk));
                    }
                }
                taken = poll_fn(|cx| poll_take(outbox, may_join, cx)), if chunk.is_none() => match taken {
                    Some(Taken::Frames(frames)) => self.fill(frames),
                    Some(Taken::Behind(topic, at)) => catch_up.start(&member.node, outbox, topic, at),
                    Some(Taken::End(Ending::Slow)) => return self.end_slow(sink),
                    Some(Taken::End(Ending::Orderly { code, goodbye })) => {
                        return self.end(code, goodbye, sink).await;
                    }
                    None => self.join_next(),
                },
                _ = heartbeat.tick(), if chunk.is_none() => {
                    self.chunk = Some(Chunk {
                        bytes: Bytes::from_static(self.heartbeat()),
                        ..Chunk::default()
                    });
                }
            }
        }
    }

    fn join_next(&mut self) {
        if let Some((topic, since)) = self.wanted.pop_front() {
            let effects = self.member.session.on_command(Request::new(
                None,
                Command::Subscribe {
                    topic,
                    since,
                    presence: false,
                },
            ));
            self.apply(effects);
        }
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            // Nobody could ask for it again over this stream, but the next one will.
            let breaks = matches!(&effect, Effect::Reply { reply: Reply::Failed(failure), .. } if failure.code.is_temporary());
            // The stream has a heartbeat of its own, and the socket says who is gone. Its client can say
            // nothing.
            self.member
                .apply(effect, &mut self.operations, &mut self.catch_up);
            if breaks {
                self.member.outbox.end(Ending::Orderly {
                    code: CloseCode::Unavailable,
                    goodbye: None,
                });
            }
        }
    }

    /// Takes what waits in the outbox, as much as the client's connection takes at a time.
    fn fill(&mut self, first: Frames) {
        let mut chunk = Chunk::default();
        let mut more = BytesMut::new();
        let mut next = Some(first);
        while let Some(frames) = next.take() {
            self.member.node.outbox_metrics.left(frames.size());
            chunk.leaving.add(&frames);
            let mut bytes = frames.into_bytes();
            if let Some(merger) = &mut self.merger {
                bytes = merger.merge(&bytes);
            }
            if chunk.bytes.is_empty() {
                chunk.bytes = bytes;
            } else {
                if more.is_empty() {
                    more.extend_from_slice(&chunk.bytes);
                }
                more.extend_from_slice(&bytes);
            }
            if chunk.bytes.len().max(more.len()) < CHUNK {
                next = self.member.outbox.take();
            }
        }
        if !more.is_empty() {
            chunk.bytes = more.freeze();
        }
        self.chunk = Some(chunk);
    }

    /// Counts what the client's connection takes.
    fn sent(&mut self, mut chunk: Chunk) -> Bytes {
        if !self.has_pushes() {
            self.heartbeat.reset();
        }
        let metrics = &self.member.node.outbox_metrics;
        metrics.sent_bytes.inc_by(chunk.bytes.len() as u64);
        self.member.sent(&mut chunk.leaving);
        chunk.bytes
    }

    /// The client does not take anything, not even a farewell. It comes back with its cursor.
    fn end_slow(&mut self, sink: &Sink) {
        self.member.ended = ClosedBy::Server(CloseCode::SlowConsumer);
        sink.line.cut();
    }

    /// Says why, and when to come back: an event stream has no close codes.
    async fn end(&mut self, code: CloseCode, goodbye: Option<Goodbye>, sink: &Sink) {
        self.member.ended = ClosedBy::Server(code);
        // Who listens to events knows nothing of ours: it comes back when it likes.
        if !self.has_pushes() {
            return;
        }
        let goodbye = goodbye.unwrap_or_else(|| Goodbye {
            reason: code.name(),
            reconnect_after: RETRY + RETRY.mul_f64(rand::random()),
        });
        let mut last = retry(goodbye.reconnect_after.max(SOONEST));
        let dialect = self.member.outbox.format().dialect();
        dialect.encode_push(&Push::GoAway(goodbye), &mut last);
        let sending = sink.chunks.send(last.into());
        if !matches!(tokio::time::timeout(FAREWELL, sending).await, Ok(Ok(()))) {
            sink.line.cut();
        }
    }

    /// Whether the native dialect's pushes go over it.
    fn has_pushes(&self) -> bool {
        self.member.outbox.format() == Format::EVENTS
    }

    fn heartbeat(&self) -> &'static [u8] {
        if self.has_pushes() {
            HEARTBEAT
        } else {
            EventStream::KEEPALIVE
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

/// What waits, or nothing if nothing waits and the stream `may_join` its next topic.
fn poll_take(outbox: &Outbox, may_join: bool, cx: &Context<'_>) -> Poll<Option<Taken>> {
    match outbox.poll_take(cx) {
        Poll::Ready(taken) => Poll::Ready(Some(taken)),
        Poll::Pending if may_join => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    }
}

/// The field that tells a browser how long to wait before it connects again.
fn retry(after: Duration) -> Vec<u8> {
    format!("retry: {}\n\n", after.as_millis()).into_bytes()
}
