//! What the server wants of a connection's session, on its way to the connection's task.

use std::sync::Arc;

use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;
use tokio::time::Instant;

/// Most orders that wait for one connection. [`Order::Ended`] comes beyond it: there are as many as the
/// session has subscriptions, and nobody says it again.
pub(super) const ORDERS: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    Subscribe {
        topic: Topic,
        since: Option<Since>,
    },
    Unsubscribe {
        topic: Topic,
    },
    /// The session's user has this job.
    Follow(Follow),
    /// All jobs of the session's user that had not ended when they were looked for, which was after
    /// `read_at`.
    Listed {
        jobs: Arc<[Topic]>,
        read_at: Instant,
    },
    /// The topic's job has ended, and the client has been told so.
    Ended {
        topic: Topic,
        at: Instant,
    },
}

/// A job to be followed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Follow {
    pub(crate) topic: Topic,
    /// Absent: from its record on, as it is then.
    pub(crate) since: Option<Since>,
    /// It had ended, and lives again.
    pub(crate) anew: bool,
}
