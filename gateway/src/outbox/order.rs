//! What the server wants of a connection's session, on its way to the connection's task.

use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;

/// Most orders that wait for one connection.
pub(super) const ORDERS: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    Subscribe { topic: Topic, since: Option<Since> },
    Unsubscribe { topic: Topic },
}

impl Order {
    pub(crate) fn topic(&self) -> &Topic {
        match self {
            Self::Subscribe { topic, .. } | Self::Unsubscribe { topic } => topic,
        }
    }
}
