//! Answers to commands.

use std::sync::Arc;
use std::time::SystemTime;

use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::JobRecord;
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
    },
    Unsubscribed {
        topic: Topic,
    },
    Published {
        position: Option<Position>,
    },
    /// Who is present on a topic, first come first.
    Presence {
        topic: Topic,
        members: Vec<Member>,
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
        expires_at: SystemTime,
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
