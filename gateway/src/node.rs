//! One gateway node: its identity, its backend, its hub and its connections.
//!
//! What a connection needs of its node is here; sockets and HTTP are not.

mod balance;
mod registration;
mod roster;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::Registry;
use rand::Rng;
use thiserror::Error;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::clock::now_ms;
use tidegate_shared::code::{CloseCode, ErrorCode};
use tidegate_shared::config::Config;
use tidegate_shared::name::{NameError, NodeId, SessionId, UserId};
use tidegate_shared::nodes::NodeInfo;
use tidegate_shared::presence::NewMember;
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::Tracer;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::calls::CallsUnderWay;
use crate::connection;
use crate::control::{self, Desk, Who};
use crate::dialect::Failure;
use crate::drain;
use crate::following::{self, Following};
use crate::hub::Hub;
use crate::identity::{Identity, KeyError, PasswordError, Users, Verifier};
use crate::presence::{Attendance, Stay};
use registration::Registration;
use roster::Roster;

use crate::outbox::{self, Ending, Outbox, OutboxSet};
use crate::publishing::Publishing;

/// For the backend to take the last clients off its lists when the node ends.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct Node {
    pub id: NodeId,
    pub config: Arc<Config>,
    pub backend: Backend,
    pub hub: Hub,
    /// Absent where no tokens are known.
    pub(crate) tokens: Option<Arc<Verifier>>,
    pub(crate) users: Users,
    pub(crate) connection_metrics: connection::Metrics,
    pub(crate) outbox_metrics: Arc<outbox::Metrics>,
    connections: Mutex<OutboxSet>,
    roster: Mutex<Roster>,
    pub(crate) desk: Desk,
    pub(crate) following: Following,
    pub(crate) calls: CallsUnderWay,
    pub(crate) publishing: Publishing,
    pub(crate) tracer: Tracer,
    pub(crate) attendance: Arc<Attendance>,
    /// Told whenever the last connection ends.
    emptied: Notify,
    /// Its readiness is withdrawn, and it is going to let go of its clients.
    draining: CancellationToken,
    /// No client stays any more.
    leaving: CancellationToken,
    /// When it started, in milliseconds since 1970.
    started_at: u64,
    registration: Registration,
    /// Ends the hub's tasks with the node.
    _tasks: DropGuard,
}

#[derive(Debug, Error)]
pub enum StartError {
    #[error("the backend's events are taken: each node needs a broker of its own")]
    EventsTaken,
    #[error("this node cannot be named: {0}")]
    Name(#[from] NameError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("a metric cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Node {
    /// Starts what the node does by itself. On `shutdown` it tells its clients to go elsewhere and
    /// closes their connections, all at once; see [`Node::emptied`] and [`Node::let_go`].
    pub fn start(
        config: Arc<Config>,
        backend: Backend,
        registry: &Registry,
        shutdown: CancellationToken,
    ) -> Result<Arc<Self>, StartError> {
        let jwt = config.auth.jwt.as_ref();
        let tokens = jwt
            .map(|jwt| Verifier::new(jwt, registry))
            .transpose()?
            .map(Arc::new);
        let users = Users::new(&config.auth.users)?;
        let outbox_metrics = Arc::new(outbox::Metrics::register(registry)?);
        let hub = Hub::new(
            config.clone(),
            backend.broker.clone(),
            outbox_metrics.clone(),
            registry,
        )?;
        let connection_metrics = connection::Metrics::register(registry)?;
        let events = backend.broker.events().ok_or(StartError::EventsTaken)?;
        let tasks = CancellationToken::new();
        let (control, messages) = mpsc::channel(control::WAITING);
        hub.start(events, control, tasks.clone());
        let attendance = Attendance::new(backend.presence.clone());
        attendance.start(&hub, &tasks);
        let (following, news) = Following::new();
        let limit = config.limits.calls_per_user;
        let id = node_id(&host_name())?;
        let telemetry = &config.telemetry;
        let tracer = Tracer::start(
            telemetry,
            "tidegate-gateway",
            id.as_str(),
            registry,
            tasks.clone(),
        )?;
        let node = Arc::new(Self {
            id,
            config,
            backend,
            hub,
            tokens,
            users,
            connection_metrics,
            outbox_metrics,
            connections: Mutex::default(),
            roster: Mutex::default(),
            desk: Desk::default(),
            following,
            calls: CallsUnderWay::new(limit),
            publishing: Publishing::new(),
            tracer,
            attendance,
            emptied: Notify::new(),
            draining: CancellationToken::new(),
            leaving: CancellationToken::new(),
            started_at: now_ms(),
            registration: Registration::default(),
            _tasks: tasks.clone().drop_guard(),
        });
        following::start(&node, news, &tasks);
        if let Some(tokens) = node.tokens.clone() {
            let end = tasks.clone();
            tokio::spawn(async move { tokens.follow(end).await });
        }
        tokio::spawn(control::run(Arc::downgrade(&node), messages, tasks));
        registration::start(&node);
        balance::start(&node, node.draining.clone());
        let leaving = Arc::downgrade(&node);
        tokio::spawn(async move {
            shutdown.cancelled().await;
            if let Some(node) = leaving.upgrade() {
                node.send_away();
            }
        });
        Ok(node)
    }

    /// Cancelled when the node sends its clients away.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.leaving
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        self.connections.lock().len()
    }

    /// Resolves when no client is connected any more.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.connections.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// What it says of itself.
    pub(crate) fn info(&self) -> NodeInfo {
        let (subscriptions, topics) = self.hub.size();
        NodeInfo {
            node: self.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            connections: self.connections() as u64,
            subscriptions,
            topics,
            started_at: self.started_at,
            draining: self.draining.is_cancelled(),
            advertise: self.config.gateway.advertise.clone(),
        }
    }

    /// Who is behind a session.
    pub(crate) fn identity(&self, session: SessionId) -> Option<Arc<Identity>> {
        self.roster.lock().identity(session)
    }

    /// The connections of a session or a user.
    pub(crate) fn find(&self, who: &Who) -> Vec<Arc<Outbox>> {
        self.roster.lock().find(who)
    }

    /// Takes its last clients off the presence lists, and the node off the list of nodes, for good.
    pub async fn withdraw(&self) {
        if tokio::time::timeout(PATIENCE, self.attendance.all_gone())
            .await
            .is_err()
        {
            tracing::debug!("some clients stay on presence lists until their entries run out");
        }
        self.registration.withdraw(self).await;
    }

    /// Puts a connection on the topic's presence list, where there is one.
    pub(crate) async fn take_seat(
        &self,
        outbox: &Outbox,
        topic: &Topic,
    ) -> Result<Option<Stay<'_>>, BrokerError> {
        if !self.config.namespaces.of(topic).presence {
            return Ok(None);
        }
        let session = outbox.session();
        let identity = self.identity(session);
        let member = NewMember {
            session,
            user: identity.as_ref().map(|identity| identity.user.clone()),
            info: identity.and_then(|identity| identity.info.clone()),
        };
        Box::pin(self.attendance.enter(topic, member)).await.map(Some)
    }

    /// Ends a connection's subscription, and with it its presence.
    pub(crate) fn leave_topic(&self, outbox: &Arc<Outbox>, topic: &Topic) {
        self.hub.leave(outbox, topic);
        if self.config.namespaces.of(topic).presence {
            self.attendance.leave(topic, outbox.session());
        }
    }

    /// From now on it says that it is draining. Clients may still come.
    pub(crate) fn begin_drain(&self) {
        self.draining.cancel();
    }

    /// Lets go of its clients one after the other, at a pace that gets through in the time `left`. Who
    /// comes now is sent on at once.
    pub(crate) async fn let_go(&self, min_rate: u32, left: Duration) {
        self.leaving.cancel();
        drain::send_away_slowly(self.outboxes(), min_rate, left).await;
    }

    /// The client behind a connection has a name from now on.
    pub(crate) fn identify(&self, outbox: &Arc<Outbox>, identity: Arc<Identity>) {
        let user = identity.user.clone();
        let count = self.roster.lock().identify(outbox.session(), identity);
        if is_over(count, self.config.limits.connections_per_user) {
            outbox.end(TOO_MANY);
        }
        // Looked for after it can be found: a job comes either by the list or by what is told of it.
        if outbox.format().dialect().takes_orders() {
            self.following.arrived(&user);
        }
    }

    /// The users that are connected.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.roster.lock().users()
    }

    /// Where a client has come from, if that is known.
    pub(crate) fn address(&self, session: SessionId) -> Option<IpAddr> {
        self.roster.lock().address(session)
    }

    /// Whether one more client may come from there, and be this user; if not, why, for people and for
    /// metrics. Who comes at the same moment is counted when it is here, and closed.
    pub(crate) fn check_room(
        &self,
        from: Option<IpAddr>,
        user: Option<&UserId>,
    ) -> Result<(), (&'static str, Failure)> {
        let (of_address, of_user) = self.roster.lock().counts(from, user);
        let limits = &self.config.limits;
        let full = |reason, key, limit| {
            let message = format!("there are {limit} connections from here already (limits.{key})");
            Err((reason, Failure::new(ErrorCode::LimitExceeded, message)))
        };
        if is_over(of_address + 1, limits.connections_per_address) {
            full(
                "address",
                "connections_per_address",
                limits.connections_per_address,
            )
        } else if user.is_some() && is_over(of_user + 1, limits.connections_per_user) {
            full("user", "connections_per_user", limits.connections_per_user)
        } else {
            Ok(())
        }
    }

    pub(crate) fn enter(&self, outbox: &Arc<Outbox>, from: Option<IpAddr>) {
        let count = self.roster.lock().insert(outbox.clone(), from);
        if is_over(count, self.config.limits.connections_per_address) {
            outbox.end(TOO_MANY);
        }
        self.connections.lock().insert(outbox.clone());
        // Checked after the insertion: either this sees that the node is leaving, or what makes it leave
        // sees the connection.
        if self.leaving.is_cancelled() {
            outbox.end(drain::goodbye(0));
        }
    }

    pub(crate) fn leave(&self, outbox: &Arc<Outbox>) {
        self.roster.lock().remove(outbox.session());
        let mut connections = self.connections.lock();
        connections.remove(outbox);
        if connections.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    fn send_away(&self) {
        self.begin_drain();
        self.leaving.cancel();
        let connections = self.outboxes();
        for outbox in &connections {
            outbox.end(drain::goodbye(connections.len()));
        }
    }

    fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.connections.lock().iter().cloned().collect()
    }
}

/// How a client ends that is one too many of its address or its user.
const TOO_MANY: Ending = Ending::Orderly {
    code: CloseCode::TooManyConnections,
    goodbye: None,
};

/// At 0 there is no limit.
fn is_over(count: usize, limit: usize) -> bool {
    limit > 0 && count > limit
}

/// Unique among the nodes that run: host name and a random part.
fn node_id(host: &str) -> Result<NodeId, NameError> {
    const HOST: usize = 64;
    let plain: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        .take(HOST)
        .collect();
    let random: u32 = rand::rng().random();
    NodeId::parse(&format!("{plain}-{random:08x}"))
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_id_is_valid_whatever_the_host_is_called() {
        for host in ["web-1.example.com", "", "größe {x}", &"h".repeat(300)] {
            let id = node_id(host).expect("valid");
            assert_ne!(Ok(id), node_id(host), "two processes on {host}");
        }
    }
}
