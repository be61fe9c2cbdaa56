//! Presence: which sessions are on a topic, across all nodes.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::broker::BrokerError;
use crate::json::RawJson;
use crate::name::{SessionId, UserId};
use crate::topic::Topic;

/// Entries belong to the node whose handle entered them and live as long as its lease on the topic,
/// which [`Presence::enter`] and [`Presence::keep`] renew.
///
/// What a caller may rely on:
///
/// * An entry is there from the moment [`Presence::enter`] has resolved until [`Presence::leave`] or the
///   end of the lease: a node that dies takes its entries with it. Reads never show an entry without a
///   lease.
/// * Where the namespace asks for `join_leave`, entering and leaving publish a
///   [`Body::Join`](crate::publication::Body::Join) or [`Body::Leave`](crate::publication::Body::Leave)
///   on the topic, once for each session: entering again, and leaving twice, publish nothing. The
///   entries of a node that is gone publish their leave as well, once however many nodes notice: with the
///   next `enter`, `leave` or `keep` on that topic, by whomever. Bare topics are the exception: what
///   travels there is data only.
/// * If nobody touches a topic's presence for [`FORGET_AFTER`] after the last lease ended, it may be
///   forgotten without a word: there is nobody to tell.
/// * Nothing here asks whether the namespace has presence at all; that is for the caller.
#[async_trait]
pub trait Presence: Send + Sync + 'static {
    /// Puts a session on the topic's list and sees to it that this node's lease lasts for
    /// `ttl` from now; it is never shortened. A topic holds
    /// at most [`ENTRY_LIMIT`] entries; one more is [`BrokerError::Limit`]. Entering again replaces what
    /// is said about the session, but not since when it is there.
    async fn enter(&self, topic: &Topic, member: NewMember, ttl: Duration) -> Result<(), BrokerError>;

    /// Takes a session of this node off the list. One that is not on it is no error.
    async fn leave(&self, topic: &Topic, session: SessionId) -> Result<(), BrokerError>;

    /// For each topic: renews this node's lease, as [`Presence::enter`], if it has entries there, takes off
    /// entries of nodes that are gone, a portion at a time, and gives how many entries this node has. Fewer than it
    /// entered: the others were taken off (the node was away for too long, or the backend lost them);
    /// enter them again.
    ///
    /// To be called every [`KEEP_EVERY`] for all attached topics of namespaces with presence, also where
    /// the node has no entries: otherwise nobody may be there to say that another node's are gone.
    async fn keep(&self, topics: &[Topic], ttl: Duration) -> Result<Vec<usize>, BrokerError>;

    /// Everybody on the topic, first come first.
    async fn members(&self, topic: &Topic) -> Result<Vec<Member>, BrokerError>;

    /// How many there are, without listing them.
    async fn count(&self, topic: &Topic) -> Result<usize, BrokerError>;
}

/// The lease that a node should ask for. With [`KEEP_EVERY`], the entries of a dead node are gone
/// everywhere within 60 seconds.
pub const ENTRY_TTL: Duration = Duration::from_secs(45);
/// How often a node should renew its leases.
pub const KEEP_EVERY: Duration = Duration::from_secs(15);
/// Most entries of one topic.
pub const ENTRY_LIMIT: usize = 10_000;
/// How long a topic's presence outlives its last lease.
pub const FORGET_AFTER: Duration = Duration::from_secs(600);

/// A session that enters a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMember {
    pub session: SessionId,
    pub user: Option<UserId>,
    /// What the session's token says about it.
    pub info: Option<RawJson>,
}

impl NewMember {
    pub(crate) fn since(self, since: u64) -> Member {
        let Self { session, user, info } = self;
        Member {
            session,
            user,
            info,
            since,
        }
    }
}

/// One session on a topic, as the wire shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub session: SessionId,
    pub user: Option<UserId>,
    pub info: Option<RawJson>,
    /// When it entered, in milliseconds since 1970 by the backend's clock.
    pub since: u64,
}
