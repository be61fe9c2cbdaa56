//! What a connection holds on its node, given back however it ends.

use std::sync::Arc;
use std::time::Instant;

use super::metrics::ClosedBy;
use tidegate_shared::name::UserId;

use crate::node::Node;
use crate::outbox::Outbox;
use crate::session::Session;

/// A connection's place on its node: registered, counted, with its subscriptions.
pub(super) struct Membership {
    pub(super) node: Arc<Node>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) session: Session,
    pub(super) ended: ClosedBy,
    began: Instant,
}

impl Membership {
    pub(super) fn begin(
        node: Arc<Node>,
        outbox: Arc<Outbox>,
        session: Session,
        user: Option<UserId>,
    ) -> Self {
        node.connection_metrics.connections.inc();
        node.connection_metrics.accepted(outbox.format()).inc();
        node.enter(&outbox, user);
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
    /// A message has come or gone: the connection is of use.
    pub(super) fn note_traffic(&mut self) {
        if self.session.minds_traffic() {
            self.session.on_traffic(tokio::time::Instant::now());
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        for topic in self.session.subscriptions() {
            self.node.leave_topic(&self.outbox, topic);
        }
        let waiting = self.outbox.close();
        self.node
            .outbox_metrics
            .bytes
            .sub(i64::try_from(waiting).unwrap_or(i64::MAX));
        let metrics = &self.node.connection_metrics;
        metrics.connections.dec();
        metrics.closed(self.ended).inc();
        metrics.duration.observe(self.began.elapsed().as_secs_f64());
        self.node.leave(&self.outbox);
    }
}
