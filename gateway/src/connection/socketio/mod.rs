//! One Socket.IO client's connection: the same place on the node as any other, the same session, joins
//! and outbox, over whatever carries it at the moment.
//!
//! One task. What is said goes through the outbox, in one order with what is published; the client's
//! conversation makes packets of it when its carrier takes them.

mod carrier;
mod post;
mod pulse;
mod ready;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tidegate_shared::code::CloseCode;
use tidegate_shared::name::SessionId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use super::catch_up::CatchUp;
use super::membership::Membership;
use super::metrics::ClosedBy;
use super::operation::Operations;
use super::{CHUNK, FAREWELL};
use crate::dialect::Format;
use crate::dialect::socketio::engine::{self, Malformed, Out, Packet};
use crate::dialect::socketio::{App, Conversation, Record, Setting, Step};
use crate::identity::Identity;
use crate::node::Node;
use crate::outbox::{Ending, Frames, Leaving, Outbox, Taken};
use crate::session::{Effect, Session};
use crate::transport::accept::ClientStream;
use crate::transport::ws::WebSocket;
use carrier::{Carrier, Probe};
use post::Post;
use pulse::{Beat, Pulse};

pub(crate) use pulse::{TIMEOUT, interval};

/// For a client to enter a namespace: what clients of other servers know.
const BEGIN: Duration = Duration::from_secs(45);

/// Who has come, and how.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) identity: Option<Arc<Identity>>,
    /// Its address, where that is known.
    pub(crate) from: Option<IpAddr>,
    /// Clients without a name may come in.
    pub(crate) anonymous: bool,
    pub(crate) app: App,
    /// The client's library can go on where it stood.
    pub(crate) recovers: bool,
    /// What the client is told first.
    pub(crate) greeting: Out,
    /// `None`: it polls.
    pub(crate) socket: Option<WebSocket<ClientStream>>,
}

/// What comes from the client by requests of its own.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It waits for packets.
    Poll(oneshot::Sender<Result<Bytes, Refused>>),
    /// It brings some.
    Post(Vec<Packet>, oneshot::Sender<Result<(), Refused>>),
    /// It brings what cannot be read.
    Broken,
    /// It wants to go on over this.
    Upgrade(Box<WebSocket<ClientStream>>),
}

/// A request that does not fit what the client does otherwise.
#[derive(Debug)]
pub(crate) struct Refused;

/// Serves a client until one side ends it.
pub(crate) async fn converse(node: Arc<Node>, newcomer: Newcomer, arrivals: mpsc::Receiver<Arrival>) {
    let mut client = Box::new(Client::begin(&node, newcomer, arrivals));
    drop(node);
    let end = {
        let mut timer = pin!(tokio::time::sleep_until(client.deadline()));
        poll_fn(|cx| client.poll(cx, timer.as_mut())).await
    };
    client.finish(end).await;
}

/// Why it is over.
#[derive(Debug)]
enum End {
    /// Nobody is there to be told.
    Gone,
    Server(CloseCode),
}

struct Client {
    carrier: Carrier,
    /// A WebSocket that a polling client tries.
    probe: Option<Box<Probe>>,
    arrivals: mpsc::Receiver<Arrival>,
    /// What a request brought that is not all taken in.
    post: Option<Post>,
    conversation: Conversation,
    /// Packets for the client to take next.
    ready: VecDeque<Out>,
    ready_bytes: usize,
    leaving: Leaving,
    /// When the node ends it, once what is ready has been taken.
    ending: Option<CloseCode>,
    operations: Operations,
    catch_up: CatchUp,
    pulse: Pulse,
    begins_by: Option<Instant>,
    member: Membership,
}

impl Client {
    fn begin(node: &Arc<Node>, newcomer: Newcomer, arrivals: mpsc::Receiver<Arrival>) -> Self {
        let Newcomer {
            identity,
            from,
            anonymous,
            app,
            recovers,
            greeting,
            socket,
        } = newcomer;
        let limits = &node.config.limits;
        let outbox = Arc::new(Outbox::new(SessionId::new(), Format::SOCKET_IO, limits.outbox));
        let setting = Setting {
            config: node.config.clone(),
            app,
            needs_user: !anonymous,
            knows_user: identity.is_some(),
            recovers,
            session: outbox.session().to_string(),
            secret: format!("{:032x}", rand::random::<u128>()),
            limit: limits.message,
            hold: limits.outbox,
        };
        let now = Instant::now();
        let session = Session::new(node.config.clone(), now, rand::random());
        let mut client = Self {
            carrier: Carrier::new(socket),
            probe: None,
            arrivals,
            post: None,
            conversation: Conversation::new(setting),
            ready_bytes: greeting.size(),
            ready: VecDeque::from([greeting]),
            leaving: Leaving::default(),
            ending: None,
            operations: Operations::default(),
            catch_up: CatchUp::default(),
            pulse: Pulse::new(interval(limits.ping), now, rand::random()),
            begins_by: Some(now + BEGIN),
            member: Membership::begin(node.clone(), outbox, session, from),
        };
        if let Some(identity) = identity {
            let left = client.member.left(&identity);
            let session = &mut client.member.session;
            let mut effects = session.identify(&identity, now, left);
            effects.extend(session.open_inbox());
            client.apply(effects);
        }
        client
    }

    fn deadline(&self) -> Instant {
        let others = [
            self.member.session.age_deadline(),
            self.begins_by,
            self.probe.as_ref().map(|probe| probe.deadline),
        ];
        let first = self.pulse.deadline();
        others.into_iter().flatten().fold(first, Instant::min)
    }

    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<End> {
        loop {
            let mut idle = true;
            while timer.as_mut().poll(cx).is_ready() {
                if let Some(end) = self.on_tick(Instant::now()) {
                    return Poll::Ready(end);
                }
                timer.as_mut().reset(self.deadline());
            }
            while let Some(order) = self.member.outbox.next_order() {
                let effects = self.member.session.on_order(order);
                self.apply(effects);
            }
            while let Poll::Ready((ticket, outcome)) = self.operations.poll_done(cx) {
                let effects = self.member.session.on_done(ticket, outcome);
                self.apply(effects);
            }
            if self.catch_up.poll_done(cx).is_ready() {
                self.member.outbox.refilled();
            }
            while let Poll::Ready(arrival) = self.arrivals.poll_recv(cx) {
                idle = false;
                if let Some(end) = arrival.map_or(Some(End::Gone), |arrival| self.on_arrival(arrival)) {
                    return Poll::Ready(end);
                }
                timer.as_mut().reset(self.deadline());
            }
            let before = self.deadline();
            let taken = self.poll_post().or_else(|| self.poll_probe(cx));
            if let Some(end) = taken.or_else(|| self.poll_read(cx, &mut idle)) {
                return Poll::Ready(end);
            }
            if let Poll::Ready(end) = self.poll_write(cx) {
                return Poll::Ready(end);
            }
            // What came may have moved what is due, and has to be waited for.
            if self.deadline() != before {
                timer.as_mut().reset(self.deadline());
                idle = false;
            }
            if idle && !self.has_post() {
                return Poll::Pending;
            }
        }
    }

    fn on_tick(&mut self, now: Instant) -> Option<End> {
        if self.begins_by.is_some_and(|at| now >= at) {
            self.begins_by = None;
            if !self.conversation.has_begun() {
                return Some(End::Server(CloseCode::Idle));
            }
        }
        if self.probe.as_ref().is_some_and(|probe| now >= probe.deadline) {
            self.probe = None;
        }
        let effects = self.member.session.on_age(now);
        self.apply(effects);
        match self.pulse.on_tick(now) {
            Some(Beat::Lost) => return Some(End::Gone),
            Some(Beat::Ping) => self.make_ready(Out::PING),
            None => {}
        }
        None
    }

    fn on_packet(&mut self, packet: Packet) -> Option<End> {
        let steps = match packet {
            Packet::Close => {
                self.member.ended = ClosedBy::Client(None);
                return Some(End::Gone);
            }
            Packet::Pong => {
                self.pulse.on_answer(Instant::now());
                return None;
            }
            Packet::Text(text) => {
                self.count_received(text.len());
                self.conversation.on_text(&text)
            }
            Packet::Binary(bytes) => {
                self.count_received(bytes.len());
                self.conversation.on_binary(bytes)
            }
            // The server pings, and only a probe is upgraded.
            Packet::Ping(_) => Err(Malformed("a ping, which servers send")),
            Packet::Upgrade | Packet::Noop => return None,
        };
        match steps {
            Ok(steps) => {
                self.carry_out(steps);
                None
            }
            Err(malformed) => {
                tracing::debug!(%malformed, "a Socket.IO client is cut off");
                Some(End::Server(CloseCode::ProtocolError))
            }
        }
    }

    fn count_received(&mut self, bytes: usize) {
        self.member.note_traffic();
        self.member
            .node
            .connection_metrics
            .received_bytes
            .inc_by(bytes as u64);
    }

    fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Say(packets) => self.member.say(|out| Record::Say(packets).append(out)),
                Step::Ask(request) => {
                    let effects = self.member.session.on_request(request, Instant::now());
                    self.apply(effects);
                }
            }
        }
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let effect = self
                .member
                .apply(effect, &mut self.operations, &mut self.catch_up);
            // Engine.IO has pings of its own.
            if let Some(Effect::Verify { id, token }) = effect {
                let effects = self.member.verify(id, &token);
                self.apply(effects);
            }
        }
    }
}
