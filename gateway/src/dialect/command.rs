//! What clients ask for, whatever they speak.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::Secret;
use tidegate_shared::job::{Concurrency, JobId, Priority};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, IdempotencyKey, JobType, MethodName, QueueName, StateKey};
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::TraceContext;

use super::Failure;

/// A command and the id under which its client wants the answer.
#[derive(Clone, PartialEq)]
pub struct Request {
    pub id: Option<RequestId>,
    pub command: Command,
    pub manner: Manner,
}

/// Without the manner where it is the usual one.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown.field("id", &self.id).field("command", &self.command);
        if self.manner != Manner::default() {
            shown.field("manner", &self.manner);
        }
        shown.finish()
    }
}

/// How a command is carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// The connection that it comes from does not hear what comes of it.
    pub quiet: bool,
    /// It is not what a client may do that counts: the dialect asks for it, in the client's name.
    pub granted: bool,
    /// What it belongs to, if the client has said so.
    pub trace: Option<TraceContext>,
}

impl Request {
    /// As the client says it.
    pub fn new(id: Option<RequestId>, command: Command) -> Self {
        Self {
            id,
            command,
            manner: Manner::default(),
        }
    }

    /// As the dialect says it, which has made sure that the client may.
    pub fn granted(id: Option<RequestId>, command: Command) -> Self {
        let manner = Manner {
            granted: true,
            ..Manner::default()
        };
        Self { id, command, manner }
    }

    /// Follows a topic from now on, because the dialect says that its clients do.
    pub fn follow(topic: Topic) -> Self {
        let command = Command::Subscribe {
            topic,
            since: None,
            presence: false,
        };
        Self::granted(None, command)
    }

    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.manner.quiet = true;
        self
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Subscribe {
        topic: Topic,
        since: Option<Since>,
        /// The client wants to be told who is present.
        presence: bool,
    },
    Unsubscribe {
        topic: Topic,
    },
    Publish {
        topic: Topic,
        data: RawJson,
        /// What the message is, to those who want to know.
        event: Option<EventName>,
        key: Option<IdempotencyKey>,
    },
    /// Gives a key of a state topic a value.
    Set {
        topic: Topic,
        key: StateKey,
        value: RawJson,
        /// Absent: what the namespace says.
        ttl: Option<Duration>,
    },
    /// Takes a key of a state topic away.
    Remove {
        topic: Topic,
        key: StateKey,
    },
    /// Asks who is present on a topic.
    Presence {
        topic: Topic,
        /// Absent: the default.
        limit: Option<u64>,
    },
    History {
        topic: Topic,
        since: Option<Since>,
        /// Absent: the default.
        limit: Option<u64>,
    },
    Submit(Box<JobRequest>),
    /// Asks a worker something.
    Call(Box<CallRequest>),
    /// Says who the client is, or that it still is.
    Auth {
        token: Box<str>,
    },
    /// Says who the client is by a password.
    Login {
        user: Box<str>,
        password: Secret,
    },
    /// Wants to hear what has this name, of the topics it follows, or no longer. `*` is every name.
    Choose {
        name: Box<str>,
        chosen: bool,
    },
    /// Wants a job to end.
    Cancel {
        job: JobId,
    },
    Ping,
}

impl Command {
    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Subscribe { .. } => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::Publish { .. } => "publish",
            Self::Set { .. } => "set",
            Self::Remove { .. } => "remove",
            Self::Presence { .. } => "presence",
            Self::History { .. } => "history",
            Self::Submit(_) => "submit",
            Self::Call(_) => "call",
            Self::Auth { .. } => "auth",
            Self::Login { .. } => "login",
            Self::Choose { .. } => "choose",
            Self::Cancel { .. } => "cancel",
            Self::Ping => "ping",
        }
    }
}

/// A call as a client makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRequest {
    pub method: MethodName,
    pub data: RawJson,
    /// Absent: the usual time.
    pub timeout: Option<Duration>,
}

/// A job as a client describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    pub kind: JobType,
    pub data: RawJson,
    pub queue: Option<QueueName>,
    pub key: Option<IdempotencyKey>,
    pub priority: Priority,
    /// Until it may run.
    pub delay: Duration,
    /// What one attempt may take.
    pub timeout: Option<Duration>,
    /// Absent: as its queue says.
    pub max_attempts: Option<u32>,
    pub concurrency: Option<Concurrency>,
    /// The client wants the job's updates.
    pub follow: bool,
}

/// A client's own name for one of its requests, handed back as it was spelled.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// Longest id, in bytes.
    pub const LIMIT: usize = 64;

    /// `spelling` is what the dialect will write again, quotes and escapes included.
    pub fn new(spelling: &str) -> Self {
        Self(spelling.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a message is not a command.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum DecodeError {
    /// Breaks the dialect's rules. Many in a row end the connection.
    #[error("{}", failure.message)]
    Rubbish { id: Option<RequestId>, failure: Failure },
    /// A fair question that this version cannot answer.
    #[error("{}", failure.message)]
    Unsupported { id: Option<RequestId>, failure: Failure },
}

impl DecodeError {
    pub fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Rubbish { id, .. } | Self::Unsupported { id, .. } => id.as_ref(),
        }
    }

    pub fn rubbish(id: Option<RequestId>, message: impl Into<String>) -> Self {
        Self::Rubbish {
            id,
            failure: Failure::new(ErrorCode::BadRequest, message),
        }
    }

    pub fn unsupported(id: Option<RequestId>, message: impl Into<String>) -> Self {
        Self::Unsupported {
            id,
            failure: Failure::new(ErrorCode::BadRequest, message),
        }
    }
}
