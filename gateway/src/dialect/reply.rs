//! Answers to commands.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::JobRecord;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::UserId;
use tidegate_shared::position::Position;
use tidegate_shared::presence::Member;
use tidegate_shared::publication::{Publication, Snapshot};
use tidegate_shared::topic::Topic;

/// The one answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Subscribed {
        topic: Topic,
        /// Absent on topics without a log.
        position: Option<Position>,
        /// Only if the command named a position.
        recovered: Option<bool>,
        snapshot: Option<Snapshot>,
        /// Only if the command asked who is present.
        roll: Option<Roll>,
    },
    Unsubscribed {
        topic: Topic,
    },
    Published {
        position: Option<Position>,
    },
    Presence {
        topic: Topic,
        roll: Roll,
    },
    History {
        position: Option<Position>,
        publications: Vec<Arc<Publication>>,
        /// The log reaches back to the position the command named.
        complete: bool,
    },
    Submitted {
        job: Box<JobRecord>,
        topic: Topic,
        position: Position,
    },
    Authenticated {
        user: UserId,
        /// Since the Unix epoch. Absent: for as long as the connection lasts.
        expires_at: Option<Duration>,
    },
    /// The job has been cancelled, or, as its record says, its worker has been asked to end it.
    Cancel {
        job: Box<JobRecord>,
    },
    /// What the client hears is what it wanted.
    Chosen,
    /// What a worker answered.
    Result {
        data: RawJson,
    },
    Pong,
    /// What the server did by itself, told as the answer to a command would be.
    Announced(Box<Self>),
    Failed(Failure),
}

impl Reply {
    /// Whether it is sent even if the command carried no id.
    pub fn is_always_sent(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Announced(_))
    }
}

/// Who is present on a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Roll {
    /// How many there are.
    pub count: usize,
    /// First come first. Shared by those who asked together.
    pub members: Arc<[Member]>,
    /// So many of them are told.
    pub told: usize,
}

impl Roll {
    pub fn told(&self) -> &[Member] {
        self.members.get(..self.told).unwrap_or(&self.members)
    }
}

/// Why a command failed, for a program and for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: ErrorCode,
    pub message: String,
}

impl Failure {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
