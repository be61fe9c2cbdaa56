//! The broker: publish to a topic, read its log, hear what is published to attached topics.
//!
//! Two backends, proven by one contract suite (`shared/tests/`): `redis`, for any number of nodes, and
//! `embedded`, for one process. A node has one broker of its own; what it attaches is its own affair.

pub(crate) mod rule;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::code::ErrorCode;
use crate::name::{IdempotencyKey, SessionId};
use crate::position::{Position, Since};
use crate::publication::{Body, Publication, Snapshot};
use crate::topic::Topic;
use crate::trace::TraceContext;

/// What a caller may rely on:
///
/// * Publications of a topic with a log have offsets 1, 2, 3 … without holes; a publication is in the
///   log before anyone can see it live. Concurrent publishers each get an offset of their own.
/// * All calls of one caller on one topic that are made one after the other take effect in that order.
/// * Live publications of one topic arrive in [`BrokerEvents`] in the order of the topic, and at most
///   once, but they can be lost: compare [`Place::follows`](crate::publication::Place::follows), and
///   treat [`BrokerEvent::Gap`] and [`BrokerEvent::Up`] as "anything may be missing".
/// * When [`Broker::attach`] has resolved, everything published from then on is heard.
/// * A call fails at once with [`BrokerError::Unavailable`] while the backend cannot be reached. It may
///   have taken effect all the same if the connection broke under it.
/// * Nothing is written to a topic by reading it or attaching to it, except that a topic with a log
///   gets its epoch when it is read.
/// * A log that is dropped by its time to live leaves the epoch and the numbering behind: the next
///   publication has the next offset. Both are kept for [`TOPIC_TTL`] after the last publication or
///   read (longer where `log_ttl` is), so that a topic that somebody reads regularly never changes
///   its epoch.
/// * The map of a state topic is what one gets by applying its log's [`Body::Set`] and [`Body::Remove`]
///   from the beginning. Each change and its log entry are one atomic step, so a snapshot is the map as
///   of the position it comes with.
/// * A key of a state topic whose time is over is in no snapshot. Its end is a [`Body::Remove`] with
///   `expired` in the log, once however many nodes there are: within about a second while some node has
///   the topic attached, and otherwise before whatever happens on the topic next.
/// * The map and the numbering of a state topic stay for as long as it has keys, whatever the log's time
///   to live is; the log's entries end by it as everywhere.
/// * Names that can mean nothing ([`Reserved::Nothing`](crate::topic::Reserved::Nothing)) are
///   [`BrokerError::UnknownTopic`] when read or, unless forbidden, published to.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Numbers, logs and publishes a [`Body::Message`]. On a topic without a log it only publishes.
    /// Nobody needs to listen.
    ///
    /// On a state topic, [`Body::Set`] and [`Body::Remove`] change the map as well; a message leaves it
    /// as it is. Setting a key always publishes, be the value the same or not, and replaces the key's
    /// time to live. Removing a key that is not there publishes nothing ([`Published::changed`]). A key
    /// more than `max_keys`, or one that would bring keys and values over `max_bytes`, is
    /// [`BrokerError::Limit`]; exactly as many are accepted, and so is what makes a map smaller.
    ///
    /// With an idempotency key that was used on this topic in the last five minutes
    /// ([`KEY_TTL`]) it does nothing, whatever the data, and answers as the first time did; this holds
    /// for topics of every kind. A call that failed has not used its key.
    ///
    /// On a bare topic only the data travels; event and exclude are left out.
    ///
    /// Data and values of exactly the namespace's `max_data` are accepted. Other bodies, setting and
    /// removing on topics of other kinds, a removal that says it was by expiry, and topics in the
    /// namespaces `job` and `jobs`, which only the job queue writes to, are [`BrokerError::Forbidden`].
    ///
    /// Messages to a topic with a log, of calls that were first polled one after the other, come out in that order,
    /// whether or not a call waits for the one before ([`Namespace::publishes_in_order`]).
    ///
    /// [`Namespace::publishes_in_order`]: crate::namespace::Namespace::publishes_in_order
    async fn publish(&self, topic: &Topic, draft: Draft) -> Result<Published, BrokerError>;

    /// Reads at most `limit` publications, in one atomic step with the position of the topic's top and,
    /// where [`Page::snapshot`] says so, its snapshot. `limit` over [`READ_LIMIT`] counts as that; with
    /// a limit of 0 only the publications are missing from the answer. `job:{id}` is
    /// [`BrokerError::UnknownTopic`] unless the job exists; `jobs:{queue}` is a topic with a log and no
    /// snapshot, and there whether or not the queue was ever used.
    async fn read(&self, topic: &Topic, from: From, limit: usize) -> Result<Page, BrokerError>;

    /// Where the logs of many topics end, in the order asked, in few round trips: for looking regularly
    /// whether something was missed. Absent for a topic that has no log or no numbering (nothing was
    /// published or read yet, or the backend lost it), and where several servers share the topics, for one
    /// whose server can't be reached. Not one atomic step, and it neither writes
    /// anything nor prolongs any life.
    async fn tops(&self, topics: &[Topic]) -> Result<Vec<Option<Position>>, BrokerError>;

    /// Starts hearing a topic; resolves when the backend has acknowledged it. Attaching an attached
    /// topic is allowed and does nothing. It does not ask whether the topic exists, so a job's topic can
    /// be attached before the job is submitted. Survives a lost connection: the backend attaches again
    /// by itself before it says [`BrokerEvent::Up`].
    async fn attach(&self, topic: &Topic) -> Result<(), BrokerError>;

    /// Stops hearing a topic: what is published after it has resolved is not heard, but earlier events
    /// may still wait to be received. One detach undoes any number of attaches. Detaching what is not
    /// attached does nothing.
    async fn detach(&self, topic: &Topic) -> Result<(), BrokerError>;

    /// The events of this broker. There is one receiver: the second call gives `None`.
    fn events(&self) -> Option<BrokerEvents>;

    /// Whether the backend can be reached now.
    fn link(&self) -> watch::Receiver<Link>;
}

/// Most publications one [`Broker::read`] gives.
pub const READ_LIMIT: usize = 1_000;

/// How long an idempotency key of [`Broker::publish`] is remembered.
pub const KEY_TTL: Duration = Duration::from_secs(300);

/// How long the epoch and numbering of a topic outlive its last publication and its last read.
pub const TOPIC_TTL: Duration = Duration::from_secs(24 * 3600);

/// Events wait here for the node; when it is full, publications are dropped and a
/// [`BrokerEvent::Gap`] for all topics takes their place.
pub const EVENT_CAPACITY: usize = 65_536;

/// Something to publish.
#[derive(Debug, Clone)]
pub struct Draft {
    pub body: Body,
    pub key: Option<IdempotencyKey>,
    /// See [`Publication::exclude`].
    pub exclude: Option<SessionId>,
    /// For [`Body::Set`]: how long the key lives. Absent: for the namespace's `key_ttl`. Zero, in either:
    /// for ever.
    pub ttl: Option<Duration>,
    pub trace: Option<TraceContext>,
}

impl Draft {
    pub fn new(body: Body) -> Self {
        Self {
            body,
            key: None,
            exclude: None,
            ttl: None,
            trace: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Of what was published; if that is nothing, the top. Absent on topics without a log.
    pub position: Option<Position>,
    /// The idempotency key was known: this is the position of the first time.
    pub duplicate: bool,
    /// This call published something. Not so for a duplicate, and for the removal of a key that was not
    /// there.
    pub changed: bool,
}

/// Which part of a log to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// No publications: the position of the top, and the snapshot if the topic's kind has one.
    Now,
    /// The newest ones, oldest of them first.
    Newest,
    /// Those after a position, oldest first. See [`Page::lost`].
    After(Since),
}

#[derive(Debug, Clone)]
pub struct Page {
    /// Absent on topics without a log; then nothing else is set either.
    pub top: Option<Position>,
    /// Contiguous. For [`From::After`] they begin right after the position; there are more to come if
    /// the last one's offset is not the top's.
    pub publications: Vec<Arc<Publication>>,
    /// Only for [`From::After`]: the log does not lead on from that position. Then there are no
    /// publications, and the snapshot is there if the topic's kind has one.
    pub lost: Option<Lost>,
    /// For [`From::Now`], and where [`Page::lost`] is set: a job's record, a state topic's map.
    pub snapshot: Option<Snapshot>,
}

/// Why a position does not lead on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The topic has another epoch: its log began anew.
    Epoch,
    /// The same epoch, but what stands at that offset is another publication, or the log has not come
    /// that far: the backend lost its newest entries and used their numbers again. The tag before the
    /// oldest entry is known from [`Place::previous`](crate::publication::Place::previous).
    Fork,
    /// The same epoch, but the publication right after that offset is no longer in the log. Told
    /// whatever the tag: there is nothing left to compare it with.
    Trimmed,
}

impl Lost {
    /// The reason as the wire spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Fork => "fork",
            Self::Trimmed => "trimmed",
        }
    }
}

#[derive(Debug, Clone)]
pub enum BrokerEvent {
    Publication(Arc<Publication>),
    /// What some node told all of them, see [`Nodes::tell`](crate::nodes::Nodes::tell).
    Control(Bytes),
    /// Publications of this topic, or of any attached topic if `None`, may have been lost.
    Gap {
        topic: Option<Topic>,
    },
    /// The connection is lost; nothing is heard until [`BrokerEvent::Up`].
    Down,
    /// The connection is there and every attached topic is attached again. Where several servers share the
    /// topics, the first of them is there; of what another serves a [`BrokerEvent::Gap`] tells when that is.
    Up,
}

/// The receiving end of a broker's events. Read it in batches: what came in one go is best sent in
/// one go.
#[derive(Debug)]
pub struct BrokerEvents {
    receiver: mpsc::Receiver<BrokerEvent>,
}

impl BrokerEvents {
    /// A sender for a backend, and its receiving end.
    pub fn channel() -> (mpsc::Sender<BrokerEvent>, Self) {
        let (sender, receiver) = mpsc::channel(EVENT_CAPACITY);
        (sender, Self { receiver })
    }

    /// Waits for events and appends up to `limit` of them. Gives their number; 0 when the broker is
    /// gone. Cancel-safe.
    pub async fn next_batch(&mut self, batch: &mut Vec<BrokerEvent>, limit: usize) -> usize {
        self.receiver.recv_many(batch, limit).await
    }
}

/// The state of the connection to the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Not reached yet since the start.
    Connecting,
    /// It can be used. Where several servers share the topics, at least one can: calls about what another
    /// serves may be [`BrokerError::Unavailable`] all the same.
    Up,
    /// Reached before, and lost.
    Down,
    /// Reached, but unfit for use; the text says what to change. Final.
    Refused(String),
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Up => f.write_str("up"),
            Self::Down => f.write_str("down"),
            Self::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BrokerError {
    #[error("the backend cannot be reached: {0}")]
    Unavailable(String),
    #[error("topic {0} does not exist")]
    UnknownTopic(Topic),
    #[error("data has {size} bytes, at most {limit} are allowed on this topic")]
    TooLarge { size: usize, limit: usize },
    #[error("{0}")]
    Forbidden(String),
    /// Something is full.
    #[error("{0}")]
    Limit(String),
    #[error("the backend answered something unexpected: {0}")]
    Internal(String),
}

impl BrokerError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::UnknownTopic(_) => ErrorCode::UnknownTopic,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::Limit(_) => ErrorCode::LimitExceeded,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
}
