//! What travels over a topic.

use crate::json::RawJson;
use crate::name::{EventName, SessionId, StateKey};
use crate::position::{Position, Tag};
use crate::presence::Member;
use crate::topic::Topic;
use crate::trace::TraceContext;

/// One publication of a topic, live or read from the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub topic: Topic,
    /// Absent on topics without a log, and for [`Body::Join`] and [`Body::Leave`] on every topic.
    pub place: Option<Place>,
    /// Milliseconds since 1970, by the backend's clock.
    pub time_ms: u64,
    pub body: Body,
    /// The session that must not get it: its sender, where a dialect does not echo.
    pub exclude: Option<SessionId>,
    /// What it was published in, if that is traced.
    pub trace: Option<TraceContext>,
}

impl Publication {
    /// Roughly what it takes in memory, in bytes.
    pub fn size(&self) -> usize {
        const FIXED: usize = 160;
        FIXED
            + match &self.body {
                Body::Message { data, .. } => data.size(),
                Body::Set { value, .. } => value.size(),
                Body::Remove { .. } => 0,
                Body::Job { record } => record.size(),
                Body::Join { member } | Body::Leave { member } => {
                    member.info.as_ref().map_or(0, RawJson::size)
                }
            }
    }
}

/// Where a publication stands in its topic's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub position: Position,
    /// Tag of the publication before it; [`Tag::NONE`] for the first.
    pub previous: Tag,
}

impl Place {
    /// Whether this publication is the very next one after `position`, in the same history.
    pub fn follows(&self, position: &Position) -> bool {
        self.position.epoch == position.epoch
            && position.offset.checked_add(1) == Some(self.position.offset)
            && self.previous == position.tag
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Message {
        data: RawJson,
        event: Option<EventName>,
    },
    /// A key of a state topic got this value.
    Set {
        key: StateKey,
        value: RawJson,
    },
    /// A key of a state topic is gone; `expired` if by its time to live.
    Remove {
        key: StateKey,
        expired: bool,
    },
    /// A job's record as it is after the transition or report that this entry stands for.
    Job {
        record: RawJson,
    },
    /// A session entered the topic. It is in no log and has no number, so it stands beside the order of
    /// the topic's other publications, and is lost to whoever did not hear it.
    Join {
        member: Member,
    },
    /// A session left the topic, or its node is gone. Without a place, as [`Body::Join`].
    Leave {
        member: Member,
    },
}

/// What a late-comer gets instead of the whole log, as of the position beside it.
#[derive(Debug, Clone, PartialEq)]
pub enum Snapshot {
    /// A job's record.
    Job(RawJson),
    /// A state topic's map, sorted by key.
    State(Vec<(StateKey, RawJson)>),
}
