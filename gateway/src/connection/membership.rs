//! What a connection holds on its node, given back however it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tidegate_shared::clock::since_1970;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::trace::Kind;
use tokio::time::Instant;

use super::catch_up::CatchUp;
use super::metrics::{ClosedBy, OK};
use super::operation::Operations;
use crate::dialect::{Failure, Push, Reply, RequestId};
use crate::identity::{Identity, TokenError};
use crate::node::Node;
use crate::outbox::{Ending, Frames, FramesBuilder, Leaving, Outbox, Put, Traced};
use crate::session::{Effect, Session};

/// A connection's place on its node: registered, counted, with its subscriptions.
pub(super) struct Membership {
    pub(super) node: Arc<Node>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) session: Session,
    pub(super) ended: ClosedBy,
    began: Instant,
}

impl Membership {
    /// `from`: the client's address, where it is known.
    pub(super) fn begin(
        node: Arc<Node>,
        outbox: Arc<Outbox>,
        session: Session,
        from: Option<IpAddr>,
    ) -> Self {
        node.connection_metrics.connections.inc();
        node.connection_metrics.accepted(outbox.format());
        node.enter(&outbox, from);
        Self {
            node,
            outbox,
            session,
            ended: ClosedBy::Nobody,
            began: Instant::now(),
        }
    }
}

impl Membership {
    /// How long the token of this identity still counts. Absent: it needs none.
    pub(super) fn left(&self, identity: &Identity) -> Option<Duration> {
        left(&self.node, identity)
    }

    /// Checks the token of a client that says who it is.
    pub(super) fn verify(&mut self, id: Option<RequestId>, token: &str) -> Vec<Effect> {
        let verified = match &self.node.tokens {
            Some(tokens) => match tokens.verify(token) {
                Err(TokenError::Key) if tokens.learns() => {
                    return self.session.verify_later(id, token.into());
                }
                verified => verified.map_err(|error| unknown(&error)),
            },
            None => Err(Failure::new(
                ErrorCode::Unauthorized,
                "this server knows no tokens: set [auth.jwt]",
            )),
        };
        let left = verified
            .as_ref()
            .map_or(Some(Duration::ZERO), |identity| self.left(identity));
        self.session
            .on_verified(id, verified.map(Arc::new), Instant::now(), left)
    }

    /// A publication that is traced has been written to the socket. Of all its receivers one tells.
    fn tell_delivered(&self, traced: &Traced, published_ms: Option<u64>) {
        if !self.node.tracer.is_on() {
            return;
        }
        let parent = traced.take();
        let Some(mut span) = self.node.tracer.follow("deliver", Kind::Consumer, parent) else {
            return;
        };
        if let Some(published) = published_ms {
            span.began_at(UNIX_EPOCH + Duration::from_millis(published));
        }
        span.note("tidegate.session", &self.outbox.session());
        span.note("tidegate.dialect", self.outbox.format().dialect().name());
    }

    /// Does of what the session wants what is the same however the client is connected, and gives back the rest:
    /// pings, and how it ends without a word.
    pub(super) fn apply(
        &mut self,
        effect: Effect,
        operations: &mut Operations,
        catch_up: &mut CatchUp,
    ) -> Option<Effect> {
        match effect {
            Effect::Reply { action, id, reply } => {
                let outcome = match &reply {
                    Reply::Failed(failure) => failure.code.name(),
                    _ => OK,
                };
                self.node.connection_metrics.command(action, outcome);
                let dialect = self.outbox.format().dialect();
                self.say(|out| dialect.encode_reply(id.as_ref(), &reply, out));
            }
            Effect::Answered { action } => self.node.connection_metrics.command(action, OK),
            Effect::Tell(topic, failure) => {
                let dialect = self.outbox.format().dialect();
                let push = Push::Failed {
                    topic: topic.as_ref(),
                    failure: &failure,
                };
                self.say(|out| dialect.encode_push(&push, out));
            }
            Effect::Identified(identity) => self.node.identify(&self.outbox, identity),
            Effect::Choose { name, chosen } => self.outbox.choose(&name, chosen),
            Effect::Start(operation) => operations.start(*operation, &self.node, &self.outbox),
            Effect::Leave(topic) => {
                if catch_up.stop(&topic) {
                    self.outbox.refilled();
                }
                self.node.leave_topic(&self.outbox, &topic);
            }
            Effect::Close(code) => {
                self.outbox.end(Ending::Orderly { code, goodbye: None });
            }
            Effect::SendAway(code, goodbye) => {
                let goodbye = Some(goodbye);
                self.outbox.end(Ending::Orderly { code, goodbye });
            }
            Effect::Verify { .. } | Effect::Ping | Effect::Abandon => return Some(effect),
        }
        None
    }

    /// Puts one message into the outbox, after what is there.
    pub(super) fn say(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut builder = FramesBuilder::new(self.outbox.format());
        builder.add(write);
        if let Some(frames) = builder.finish() {
            put(&self.node, &self.outbox, frames);
        }
    }

    /// Counts what has been written, and tells whoever follows its trace.
    pub(super) fn sent(&mut self, leaving: &mut Leaving) {
        if leaving.has_messages() {
            self.note_traffic();
        }
        if let Some((traced, published_ms)) = leaving.traced() {
            self.tell_delivered(&traced, published_ms);
        }
        self.node
            .outbox_metrics
            .sent(self.outbox.format(), &std::mem::take(leaving));
    }

    /// A message has come or gone: the connection is of use.
    pub(super) fn note_traffic(&mut self) {
        self.note_traffic_at(Instant::now());
    }

    /// The same for what was written past the connection's task.
    pub(super) fn note_writes(&mut self) {
        if let Some(at) = self.outbox.wrote() {
            self.note_traffic_at(at);
        }
    }

    fn note_traffic_at(&mut self, at: Instant) {
        if self.session.minds_traffic() {
            self.session.on_traffic(at);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        for topic in self.session.subscriptions() {
            self.node.leave_topic(&self.outbox, topic);
        }
        self.node.outbox_metrics.left(self.outbox.close());
        let metrics = &self.node.connection_metrics;
        metrics.connections.dec();
        metrics.closed(self.ended).inc();
        metrics.duration.observe(self.began.elapsed().as_secs_f64());
        self.node.leave(&self.outbox);
    }
}

/// How long the token of this identity still counts. Absent: it needs none.
pub(super) fn left(node: &Node, identity: &Identity) -> Option<Duration> {
    let leeway = node.config.auth.jwt.as_ref().map(|jwt| jwt.leeway);
    Some(identity.expires_at?.saturating_sub(since_1970()) + leeway.unwrap_or_default())
}

/// One code for whatever is wrong with a token that comes by `auth`.
pub(super) fn unknown(error: &TokenError) -> Failure {
    Failure::new(ErrorCode::Unauthorized, error.to_string())
}

/// For the task that would be woken: it looks before it rests.
pub(super) fn put(node: &Node, outbox: &Outbox, frames: Frames) {
    let metrics = &node.outbox_metrics;
    match outbox.put(frames) {
        Put::Queued { bytes, .. } | Put::Coalesced { bytes, .. } => metrics.bytes.add(bytes),
        Put::Overflowed { messages, bytes } => {
            metrics.dropped_slow.inc_by(messages);
            metrics.left(bytes);
        }
        Put::Behind | Put::Ending => {}
    }
}
