//! A worker's side of an attempt at a job: the lease it holds, what it tells, what it is told.

use std::fmt;
use std::time::Duration;

use rand::Rng;

use crate::job::{JobId, JobRecord, Percent};
use crate::json::RawJson;

/// Proves that a write comes from the attempt that holds the job. Random, made for each claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    pub fn random() -> Self {
        Self(rand::rng().random())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The right to work on a job for some time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    pub job: JobId,
    pub token: Token,
}

/// A job that a worker got.
#[derive(Debug, Clone)]
pub struct Claim {
    pub lease: Lease,
    pub record: JobRecord,
    pub data: RawJson,
    /// What an earlier attempt left for this one.
    pub checkpoint: Option<RawJson>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// What is absent stays as it was.
    pub percent: Option<Percent>,
    pub message: Option<String>,
    pub detail: Option<RawJson>,
}

/// Why an attempt has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// Another attempt would fail as well, so there is none.
    pub fatal: bool,
    /// When the next attempt is due, from now; absent: as the queue's policy says.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// One that another attempt may not run into.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            fatal: false,
            retry_after: None,
        }
    }

    pub fn fatal(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            fatal: true,
            retry_after: None,
        }
    }
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    Extended,
    /// Still held, but somebody wants the job to end: stop, and say [`cancelled`].
    ///
    /// [`cancelled`]: crate::job::JobQueue::cancelled
    Cancel,
    /// Stop: somebody else has the job, or it has ended.
    Lost,
}
