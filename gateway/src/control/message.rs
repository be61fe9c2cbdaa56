//! What nodes tell each other, as JSON.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidegate_shared::name::{NodeId, SessionId, UserId};
use tidegate_shared::position::{Epoch, Offset, Since, Tag};
use tidegate_shared::topic::Topic;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) from: NodeId,
    /// The question's, on the node that asks.
    pub(super) number: u64,
    pub(super) say: Say,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Say {
    Do { who: Who, what: What },
    Did { to: NodeId, connections: usize },
}

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    Session(SessionId),
    /// All connections of a user.
    User(UserId),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Disconnect,
    Subscribe { topic: Topic, since: Option<Place> },
    Unsubscribe { topic: Topic },
}

/// A position as somebody handed it back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    epoch: String,
    offset: Offset,
    #[serde(default)]
    tag: Option<String>,
}

impl From<&Place> for Since {
    fn from(place: &Place) -> Self {
        Self {
            epoch: Epoch::from_wire(&place.epoch),
            offset: place.offset,
            tag: place.tag.as_deref().map(Tag::from_wire),
        }
    }
}

impl Message {
    pub(super) fn encode(&self) -> Bytes {
        // Names and numbers always serialise.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub(super) fn decode(bytes: &Bytes) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
