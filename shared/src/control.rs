//! What nodes and workers tell all nodes by [`Nodes::tell`](crate::nodes::Nodes::tell), as JSON.

use crate::job::JobId;
use crate::json::RawJson;
use crate::name::{EventName, NodeId, SessionId, UserId};
use crate::position::{Epoch, Offset, Since, Tag};
use crate::topic::Topic;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub struct Message {
    /// Absent: who says it wants no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NodeId>,
    /// The question's, on the node that asks.
    #[serde(default)]
    pub number: u64,
    pub say: Say,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Say {
    /// Has something done where there are such connections.
    Do { who: Who, what: What },
    /// So many there were.
    Did { to: NodeId, connections: usize },
    /// To be heard, not answered.
    Jobs { news: Vec<News> },
}

/// A user's job that there was not before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct News {
    pub user: UserId,
    pub job: JobId,
    /// Absent: as it is when it is found.
    #[serde(default)]
    pub since: Option<Place>,
    /// It had ended, and lives again.
    #[serde(default)]
    pub anew: bool,
}

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    Session(SessionId),
    /// All connections of a user.
    User(UserId),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Disconnect,
    Subscribe {
        topic: Topic,
        since: Option<Place>,
    },
    Unsubscribe {
        topic: Topic,
    },
    /// A push for these connections alone, on a topic that nobody subscribes to.
    Send {
        topic: Topic,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<EventName>,
        data: RawJson,
    },
}

/// A position as somebody handed it back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    epoch: String,
    offset: Offset,
    #[serde(default)]
    tag: Option<String>,
}

impl From<Since> for Place {
    fn from(since: Since) -> Self {
        Self {
            epoch: since.epoch.as_str().to_owned(),
            offset: since.offset,
            tag: since.tag.map(|tag| tag.as_str().to_owned()),
        }
    }
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
    /// Something to be done that nobody waits for.
    pub fn order(who: Who, what: What) -> Self {
        Self {
            from: None,
            number: 0,
            say: Say::Do { who, what },
        }
    }

    pub fn encode(&self) -> Bytes {
        // Names and numbers always serialise.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub fn decode(bytes: &Bytes) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
