//! What is submitted, and the answer.

use std::time::Duration;

use crate::job::{Concurrency, JobId, JobRecord, Priority};
use crate::json::RawJson;
use crate::name::{IdempotencyKey, JobType, QueueName, UserId};
use crate::position::Position;
use crate::trace::TraceContext;

/// Longest delay and longest timeout of a job.
pub const TIME_LIMIT: Duration = Duration::from_secs(366 * 24 * 3600);
/// Most attempts a job may be given.
pub const ATTEMPTS_LIMIT: u32 = 1_000;

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
    /// Until it may run, counted from when it is submitted. Zero: at once.
    pub delay: Duration,
    /// What an attempt may take. One that takes longer has failed, and is tried again as any other.
    pub timeout: Option<Duration>,
    /// How often it is tried; absent: as often as its queue's policy says. At least once.
    pub max_attempts: Option<u32>,
    /// Whom it does not run together with.
    pub concurrency: Option<Concurrency>,
    /// What it is submitted in, if that is traced.
    pub trace: Option<TraceContext>,
}

impl JobDraft {
    /// A job as plain as can be.
    pub fn new(queue: &QueueName, kind: JobType, data: RawJson) -> Self {
        Self {
            id: JobId::new(queue),
            kind,
            data,
            key: None,
            priority: Priority::default(),
            user: None,
            delay: Duration::ZERO,
            timeout: None,
            max_attempts: None,
            concurrency: None,
            trace: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Submitted {
    pub record: JobRecord,
    /// The position of the job's topic that the record is the snapshot of.
    pub position: Position,
    /// The idempotency key was known: this is the job of the first time.
    pub duplicate: bool,
}
