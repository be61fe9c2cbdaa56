//! The job queue: every transition is one atomic step that also appends the job's record to the job's
//! log (topic `job:{id}`), to the queue's (`jobs:{queue}`), and publishes both.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;
use thiserror::Error;

use crate::code::ErrorCode;
use crate::job::{JobId, JobRecord, Percent, Priority};
use crate::json::RawJson;
use crate::name::{IdempotencyKey, JobType, QueueName, UserId, WorkerId};
use crate::position::Position;

/// What a caller may rely on:
///
/// * A job is executed at least once. Every write of a worker names its [`Lease`]; a worker whose
///   lease ran out and was taken back, or whose job has ended or is unknown, gets
///   [`JobError::LeaseLost`] and has changed nothing. A lease that ran out but was not taken back yet
///   still counts.
/// * A progress report can't be seen without being stored, or stored without being seen.
/// * Every job gets exactly one terminal log entry, its last.
/// * Repeating [`JobQueue::succeed`] or [`JobQueue::fail`] with the lease that ended the job is answered
///   `Ok` and changes nothing, so a caller whose answer got lost may ask again. Only the same call:
///   failing what has succeeded, and the reverse, is [`JobError::LeaseLost`].
/// * Each transition and each progress report is one log entry on both topics, equal to the record as
///   it then is; a heartbeat is none. Log entries of refused calls do not exist.
/// * A job that has ended is kept for [`RETENTION`], with its log and its idempotency key, and then
///   forgotten; one that has not ended is kept for as long as it takes.
/// * All times are the backend's.
#[async_trait]
pub trait JobQueue: Send + Sync + 'static {
    /// Puts a job into its queue. With an idempotency key that a job of this queue has: that job, if
    /// type and data (byte for byte) are the same, else [`JobError::Conflict`]. An id that exists
    /// already gives the job that has it, as a duplicate, so a caller whose answer got lost may ask
    /// again.
    async fn submit(&self, draft: JobDraft) -> Result<Submitted, JobError>;

    async fn get(&self, id: &JobId) -> Result<JobRecord, JobError>;

    /// Takes up to `limit` jobs, at most [`CLAIM_LIMIT`], higher priority first, then older first, and
    /// runs out each lease after `lease` (zero: at once). Does not wait. An attempt begins with percent,
    /// message and typed progress absent, whatever an earlier one reported.
    async fn claim(
        &self,
        queue: &QueueName,
        worker: &WorkerId,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<Claim>, JobError>;

    /// Resolves when one of the queues may have work, at the latest after `timeout`. May be wrong in
    /// both directions: claim to be sure.
    async fn wait(&self, queues: &[QueueName], timeout: Duration) -> Result<(), JobError>;

    /// Renews leases; one answer for each, in order.
    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Beat>, JobError>;

    /// Reports progress. What is absent in it stays as it was in the record.
    async fn progress(&self, lease: &Lease, progress: Progress) -> Result<(), JobError>;

    async fn succeed(&self, lease: &Lease, result: RawJson) -> Result<(), JobError>;

    /// Ends the job as failed, with a message for people.
    async fn fail(&self, lease: &Lease, error: &str) -> Result<(), JobError>;

    /// Gives the job back unfinished: it is queued again, before its equals, and the attempt does not
    /// count: the record keeps its number, and the next claim gets the same number again.
    async fn release(&self, lease: &Lease) -> Result<(), JobError>;

    /// Takes back jobs whose lease ran out, at most 256 at a time: queued again, before their equals, or
    /// failed with a message in the record's `error` once it has happened to the same job `max_stalls`
    /// times (with 1, the first time). Gives how many there were. Any number of workers may do this at
    /// once.
    async fn reclaim(&self, queue: &QueueName, max_stalls: u32) -> Result<usize, JobError>;
}

/// Most jobs one [`JobQueue::claim`] gives.
pub const CLAIM_LIMIT: usize = 256;

/// How long a job is kept after its end.
pub const RETENTION: Duration = Duration::from_secs(3600);

/// How often a job may lose its worker before it is given up.
pub const MAX_STALLS_DEFAULT: u32 = 3;

/// Largest result of a job, in bytes; a larger one is [`JobError::TooLarge`].
pub const RESULT_LIMIT: usize = 64 * 1024;
/// Largest typed progress, in bytes; a larger one is [`JobError::TooLarge`].
pub const DETAIL_LIMIT: usize = 16 * 1024;
/// Longest progress message and error text, in bytes; the rest is cut off, at a character boundary.
pub const TEXT_LIMIT: usize = 4 * 1024;

/// A job to be submitted.
#[derive(Debug, Clone)]
pub struct JobDraft {
    /// New, and so naming the queue.
    pub id: JobId,
    pub kind: JobType,
    /// The handler's input.
    pub data: RawJson,
    pub key: Option<IdempotencyKey>,
    pub priority: Priority,
    /// Who it is done for.
    pub user: Option<UserId>,
}

#[derive(Debug, Clone)]
pub struct Submitted {
    pub record: JobRecord,
    /// The position of the job's topic that the record is the snapshot of.
    pub position: Position,
    /// The idempotency key was known: this is the job of the first time.
    pub duplicate: bool,
}

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
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// What is absent stays as it was.
    pub percent: Option<Percent>,
    pub message: Option<String>,
    pub detail: Option<RawJson>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    Extended,
    /// Stop: somebody else has the job, or it has ended.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JobError {
    #[error("the backend cannot be reached: {0}")]
    Unavailable(String),
    #[error("job {0} does not exist")]
    NotFound(JobId),
    #[error("the lease on job {0} was lost: it ran out or the job has ended")]
    LeaseLost(JobId),
    #[error(
        "idempotency key {key} belongs to job {job}, which was submitted with another type or other data"
    )]
    Conflict { key: IdempotencyKey, job: JobId },
    #[error("the {what} has {size} bytes, at most {limit} are allowed")]
    TooLarge {
        what: &'static str,
        size: usize,
        limit: usize,
    },
    #[error("the backend answered something unexpected: {0}")]
    Internal(String),
}

impl JobError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::LeaseLost(_) | Self::Conflict { .. } => ErrorCode::Conflict,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
}
