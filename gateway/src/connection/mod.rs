//! One client's connection: one task that reads commands, runs what they ask for, and writes what its
//! outbox holds, all at once.
//!
//! Relies on the session for what everything means and on the socket for framing. Reads nothing while
//! the client has too much under way; never waits for one thing alone.

mod calling;
mod catch_up;
mod ignored;
mod incoming;
mod membership;
mod metrics;
mod operation;
pub(crate) mod socketio;
pub(crate) mod stream;
#[cfg(test)]
mod tests;

pub(crate) use metrics::Metrics;
pub(crate) use operation::{check_own, history, present, wanted};

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tidegate_shared::clock::now_ms;
use tidegate_shared::code::CloseCode;
use tidegate_shared::config::Config;
use tidegate_shared::name::SessionId;
use tidegate_shared::trace::TraceContext;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use crate::dialect::{Entrance, Format, Push, Welcome};
use crate::identity::Identity;
use crate::node::Node;
use crate::outbox::{Ending, Frames, FramesBuilder, Leaving, Outbox, Taken};
use crate::session::{Effect, Session};
use crate::transport::accept::Writer;
use crate::transport::ws::{SendQueue, WebSocket, frame};
use catch_up::CatchUp;
use membership::{Membership, put};
use metrics::ClosedBy;
use operation::Operations;

/// Taken out of the outbox at a time: what the socket's send buffer takes in one write.
const CHUNK: usize = 32 * 1024;
/// For the client to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(5);
/// The version that `welcome` names.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who has connected, and what it speaks.
#[derive(Debug, Clone)]
pub struct Peer {
    pub format: Format,
    /// `None`: anonymous.
    pub identity: Option<Arc<Identity>>,
    /// It has to say who it is within this time, before anything else.
    pub introduction: Option<Duration>,
    /// Its address, where it is known.
    pub from: Option<IpAddr>,
    pub entrance: Arc<Entrance>,
    /// What its commands belong to, unless they say otherwise.
    pub trace: Option<TraceContext>,
    /// For others than the connection's task to write to its socket, where that is possible.
    pub writer: Option<Writer>,
    /// The node's, but for what its endpoint says otherwise.
    pub config: Arc<Config>,
}

/// Serves a client until one side ends it. The socket has done its handshake; what is in `sending` goes out first.
///
/// Not an `async fn`: that would keep room for its arguments beside what is made of them, in every
/// connection's task.
pub fn serve<S>(
    socket: WebSocket<S>,
    sending: SendQueue,
    node: &Arc<Node>,
    peer: &Peer,
) -> impl Future<Output = ()> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = Connection::begin(socket, sending, node, peer);
    async move {
        let farewell = {
            let mut timer = pin!(tokio::time::sleep_until(connection.member.session.deadline()));
            poll_fn(|cx| connection.poll(cx, timer.as_mut())).await
        };
        let Connection {
            socket,
            sending,
            operations,
            member,
            ..
        } = connection;
        // Nothing that is published from here on is for this client.
        drop((operations, member));
        if let Some(farewell) = farewell {
            // How the client takes it changes nothing.
            let _ = Box::pin(socket.close(sending, farewell, FAREWELL)).await;
        }
    }
}

struct Connection<S> {
    socket: WebSocket<S>,
    /// Frames that the socket is taking.
    sending: SendQueue,
    leaving: Leaving,
    operations: Operations,
    catch_up: CatchUp,
    entrance: Arc<Entrance>,
    member: Membership,
}

/// How a connection ends: with a close frame, or without.
type Farewell = Option<Bytes>;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn begin(socket: WebSocket<S>, sending: SendQueue, node: &Arc<Node>, peer: &Peer) -> Self {
        let format = peer.format;
        let limits = &peer.config.limits;
        let outbox = Outbox::new(SessionId::new(), format, limits.outbox);
        let outbox = Arc::new(outbox.writing_to(peer.writer.clone(), &sending));
        let welcome = Push::Welcome(Welcome {
            session: outbox.session(),
            node: &node.id,
            user: peer.identity.as_ref().map(|identity| &identity.user),
            ping: limits.ping,
            version: VERSION,
            time_ms: now_ms(),
        });
        let mut session = Session::new(peer.config.clone(), Instant::now(), rand::random());
        if let Some(trace) = peer.trace {
            session.belongs_to(trace);
        }
        if let Some(time) = peer.introduction {
            session.expect_introduction(Instant::now() + time);
        }
        let mut connection = Self {
            socket,
            sending,
            leaving: Leaving::default(),
            operations: Operations::default(),
            catch_up: CatchUp::default(),
            entrance: peer.entrance.clone(),
            member: Membership::begin(node.clone(), outbox.clone(), session, peer.from),
        };
        connection
            .member
            .say(|out| format.dialect().encode_push(&welcome, out));
        if let Some(identity) = &peer.identity {
            let left = connection.member.left(identity);
            let session = &mut connection.member.session;
            let mut effects = session.identify(identity, Instant::now(), left);
            effects.extend(session.open_inbox());
            // None of them ends a connection.
            connection.apply(effects);
        }
        let requests = format.dialect().on_connect(&connection.speaker());
        let effects = connection.member.session.greet(requests);
        connection.apply(effects);
        connection
    }

    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<Farewell> {
        loop {
            let mut idle = true;
            while timer.as_mut().poll(cx).is_ready() {
                self.member.note_writes();
                let effects = self.member.session.on_tick(Instant::now());
                if let Some(farewell) = self.apply(effects) {
                    return Poll::Ready(farewell);
                }
                timer.as_mut().reset(self.member.session.deadline());
            }
            while let Some(order) = self.member.outbox.next_order() {
                let effects = self.member.session.on_order(order);
                if let Some(farewell) = self.apply(effects) {
                    return Poll::Ready(farewell);
                }
            }
            while let Poll::Ready((ticket, outcome)) = self.operations.poll_done(cx) {
                let effects = self.member.session.on_done(ticket, outcome);
                if let Some(farewell) = self.apply(effects) {
                    return Poll::Ready(farewell);
                }
            }
            self.poll_catch_up(cx);
            if let Poll::Ready(farewell) = self.poll_send(cx) {
                return Poll::Ready(farewell);
            }
            if self.member.session.is_ready()
                && let Poll::Ready(incoming) = self.socket.poll_next(cx)
            {
                idle = false;
                if let Some(farewell) = self.receive(incoming) {
                    return Poll::Ready(farewell);
                }
            }
            if idle {
                return Poll::Pending;
            }
        }
    }

    /// Writes what the outbox holds, as far as the socket takes it. Ready if that is the end.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Farewell> {
        loop {
            if let Poll::Ready(ending) = self.refill(cx) {
                return Poll::Ready(Some(self.end(ending)));
            }
            if self.sending.is_empty() {
                return Poll::Pending;
            }
            let before = self.sending.bytes();
            let written = self.socket.poll_write(cx, &mut self.sending);
            let metrics = &self.member.node.outbox_metrics;
            metrics.sent_bytes.inc_by((before - self.sending.bytes()) as u64);
            match written {
                Poll::Ready(Ok(())) => self.sent(),
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => {
                    if self.member.outbox.poll_slow(cx).is_ready() {
                        return Poll::Ready(Some(self.end(Ending::Slow)));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes from the outbox as much as one write may need.
    fn refill(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        while self.sending.bytes() < CHUNK {
            match self.member.outbox.poll_take(cx) {
                Poll::Ready(Taken::Frames(frames)) => self.take(frames),
                Poll::Ready(Taken::Behind(topic, at)) => {
                    let (node, outbox) = (&self.member.node, &self.member.outbox);
                    self.catch_up.start(node, outbox, topic, at);
                    self.poll_catch_up(cx);
                }
                Poll::Ready(Taken::End(ending)) => return Poll::Ready(ending),
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }

    fn poll_catch_up(&mut self, cx: &mut Context<'_>) {
        if self.catch_up.poll_done(cx).is_ready() {
            self.member.outbox.refilled();
        }
    }

    fn take(&mut self, frames: Frames) {
        self.member.node.outbox_metrics.left(frames.size());
        self.leaving.add(&frames);
        if frames.is_begun() {
            self.sending.push_begun(frames.into_bytes());
        } else {
            self.sending.push(frames.into_bytes());
        }
    }

    /// Everything taken so far is written.
    fn sent(&mut self) {
        self.member.sent(&mut self.leaving);
        self.member.outbox.written();
    }

    /// The close frame that the ending calls for; what is to be written before it is in `sending`.
    fn end(&mut self, ending: Ending) -> Bytes {
        let code = match ending {
            Ending::Slow => {
                self.sending.clear_unstarted();
                CloseCode::SlowConsumer
            }
            Ending::Orderly { code, goodbye } => {
                if let Some(goodbye) = goodbye {
                    let format = self.member.outbox.format();
                    let mut builder = FramesBuilder::new(format);
                    builder.add(|out| format.dialect().encode_push(&Push::GoAway(goodbye), out));
                    if let Some(frames) = builder.finish() {
                        self.sending.push(frames.into_bytes());
                    }
                }
                code
            }
        };
        self.close(code)
    }

    fn close(&mut self, code: CloseCode) -> Bytes {
        self.member.ended = ClosedBy::Server(code);
        frame::close(code.number(), code.name())
    }

    /// Does what the session wants. Some if that is the end.
    fn apply(&mut self, effects: Vec<Effect>) -> Option<Farewell> {
        for effect in effects {
            let effect = self
                .member
                .apply(effect, &mut self.operations, &mut self.catch_up);
            match effect {
                Some(Effect::Verify { id, token }) => {
                    let effects = self.member.verify(id, &token);
                    if let Some(farewell) = self.apply(effects) {
                        return Some(farewell);
                    }
                }
                Some(Effect::Ping) => self.put(Frames::control(frame::ping(b""))),
                Some(Effect::Abandon) => return Some(None),
                _ => {}
            }
        }
        None
    }

    fn count(&self, action: &str, outcome: &str) {
        self.member.node.connection_metrics.command(action, outcome);
    }

    fn put(&self, frames: Frames) {
        put(&self.member.node, &self.member.outbox, frames);
    }
}
