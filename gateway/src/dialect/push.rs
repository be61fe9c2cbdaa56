//! What the server says by itself. Live publications are not here: see
//! [`Dialect::encode_publication`](super::Dialect::encode_publication).

use std::time::Duration;

use tidegate_shared::name::{NodeId, SessionId, UserId};
use tidegate_shared::position::{Offset, Position};
use tidegate_shared::publication::Snapshot;
use tidegate_shared::topic::Topic;

use super::Failure;

#[derive(Debug, Clone)]
pub enum Push<'a> {
    Welcome(Welcome<'a>),
    /// The client will not get these offsets, both inclusive.
    Lagged {
        topic: &'a Topic,
        from: Offset,
        to: Offset,
    },
    /// What the client saw before does not lead to what follows; it starts from here.
    Reset {
        topic: &'a Topic,
        position: Position,
        snapshot: Option<&'a Snapshot>,
        /// `epoch`, `fork` or `trimmed`.
        reason: &'static str,
    },
    GoAway(Goodbye),
    /// Something failed that no command asked for.
    Failed {
        /// What it is about, if that is a topic.
        topic: Option<&'a Topic>,
        failure: &'a Failure,
    },
}

/// The first push on every connection.
#[derive(Debug, Clone, Copy)]
pub struct Welcome<'a> {
    pub session: SessionId,
    pub node: &'a NodeId,
    pub user: Option<&'a UserId>,
    pub ping: Duration,
    pub version: &'a str,
    /// Milliseconds since 1970, by the node's clock.
    pub time_ms: u64,
}

/// The last push before the node closes a connection of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goodbye {
    pub reason: &'static str,
    pub reconnect_after: Duration,
}
