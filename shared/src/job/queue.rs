//! The job queue: every transition is one atomic step that also appends the job's record to the job's
//! log (topic `job:{id}`), to the queue's (`jobs:{queue}`), and publishes both.

use std::time::Duration;

use async_trait::async_trait;

use crate::job::{
    Beat, Claim, Failure, JobDraft, JobError, JobId, JobRecord, JobState, Lease, LogLine, Progress, Submitted,
};
use crate::json::RawJson;
use crate::name::{QueueName, WorkerId};

/// What a caller may rely on:
///
/// * A job is executed at least once, unless it is cancelled before. Every write of a worker names its
///   [`Lease`]; a worker whose lease ran out and was taken back, or whose job has ended or is unknown,
///   gets [`JobError::LeaseLost`] and has changed nothing. A lease that ran out but was not taken back
///   yet still counts.
/// * A progress report can't be seen without being stored, or stored without being seen.
/// * Every job gets exactly one terminal log entry, its last; a dead letter that is queued again by
///   [`JobDesk::redrive`](crate::job::JobDesk::redrive) lives, and ends, anew.
/// * Repeating [`JobQueue::succeed`], [`JobQueue::fail`] or [`JobQueue::cancelled`] with the lease that it
///   ended is answered as the first time and changes nothing, so a caller whose answer got lost may ask
///   again: for as long as the job is kept, or, if it is to be tried again, until that begins. Only the
///   same call: failing what has succeeded, and the reverse, is [`JobError::LeaseLost`].
/// * Each transition, each progress report and the wish that a running job be cancelled is one log entry
///   on both topics, equal to the record as it then is; a heartbeat is none. A log line is an entry of the
///   job's topic only, a message. Log entries of refused calls do not exist.
/// * A job that has ended is kept for its queue's retention, with its log and its idempotency key, and
///   then forgotten; a dead letter for [`DEAD_RETENTION`] at least, but not its key; one that has not ended
///   for as long as it takes.
/// * All times are the backend's. What depends on the queue is in its [`QueuePolicy`], which the backend
///   was opened with.
///
/// [`DEAD_RETENTION`]: crate::job::DEAD_RETENTION
/// [`QueuePolicy`]: crate::job::QueuePolicy
#[async_trait]
pub trait JobQueue: Send + Sync + 'static {
    /// Puts a job into its queue: queued, or scheduled if it has a delay. With an idempotency key that a
    /// job of this queue has: that job, if type and data (byte for byte) are the same, else
    /// [`JobError::Conflict`]. An id that exists already gives the job that has it, as a duplicate, so a
    /// caller whose answer got lost may ask again.
    async fn submit(&self, draft: JobDraft) -> Result<Submitted, JobError>;

    async fn get(&self, id: &JobId) -> Result<JobRecord, JobError>;

    /// Takes up to `limit` queued jobs, at most [`CLAIM_LIMIT`], and runs out each lease after `lease`
    /// (zero: at once). Higher priority first, then older first; but one step of priority outweighs no
    /// more than [`AGING`] of waiting, so that none waits for ever. Does not wait. An attempt begins with
    /// percent, message, typed progress and error absent, whatever an earlier one left.
    ///
    /// No more are running at any moment than the queue's `max_running` and their [`Concurrency`] say, and no more
    /// begin than its `rate`, however many workers claim. What waits for room can be claimed as soon as there is
    /// some, and who waits learns of it.
    ///
    /// [`Concurrency`]: crate::job::Concurrency
    async fn claim(
        &self,
        queue: &QueueName,
        worker: &WorkerId,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<Claim>, JobError>;

    /// Resolves when one of the queues may have work, at the latest after `timeout`. Jobs that are due
    /// meanwhile are promoted and count. May be wrong in both directions: claim to be sure.
    async fn wait(&self, queues: &[QueueName], timeout: Duration) -> Result<(), JobError>;

    /// Renews leases; one answer for each, in order. A lease is never renewed beyond its attempt's
    /// timeout, or the grace of a job that is to be cancelled.
    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Beat>, JobError>;

    /// Reports progress. What is absent in it stays as it was in the record.
    async fn progress(&self, lease: &Lease, progress: Progress) -> Result<(), JobError>;

    /// Appends lines to the job's log, each an entry of its topic: a message with the event
    /// [`LOG_EVENT`](crate::job::LOG_EVENT). The record stays as it is. A caller whose answer got lost and who
    /// asks again may have written some of them twice.
    async fn log(&self, lease: &Lease, lines: &[LogLine]) -> Result<(), JobError>;

    /// Keeps something for the next attempt, in case there is one; replaces what was kept before. At most
    /// [`CHECKPOINT_LIMIT`] bytes. No log entry: it is between handlers.
    async fn checkpoint(&self, lease: &Lease, checkpoint: RawJson) -> Result<(), JobError>;

    async fn succeed(&self, lease: &Lease, result: RawJson) -> Result<(), JobError>;

    /// Ends the attempt as failed. The job waits for its next attempt, for a random part of a time that
    /// doubles with each, or for as long as the failure says ([`JobState::Retrying`]), unless it is fatal or there have been as many
    /// attempts as allowed: then it has failed, and is a dead letter. One that was to be cancelled is,
    /// unless the failure is fatal. Gives which of these it was.
    async fn fail(&self, lease: &Lease, failure: Failure) -> Result<JobState, JobError>;

    /// Ends the job as cancelled, as its worker was told to.
    async fn cancelled(&self, lease: &Lease) -> Result<(), JobError>;

    /// Gives the job back unfinished: it is queued again, before its equals, and the attempt does not
    /// count: the record keeps its number, and the next claim gets the same number again. One that was to
    /// be cancelled is cancelled instead.
    async fn release(&self, lease: &Lease) -> Result<(), JobError>;

    /// Wants a job to end. One that waits is cancelled at once. One that runs is marked (`cancelling` in
    /// its record), its worker is told with the next heartbeat, and has until the grace of its queue is
    /// over; then [`JobQueue::reclaim`] cancels it. Gives the record as it then is; if the job has ended,
    /// or is marked already, nothing is changed.
    async fn cancel(&self, id: &JobId) -> Result<JobRecord, JobError>;

    /// Makes jobs queued whose time has come, behind their equals, at most 256 at a time. Any number of
    /// workers may do this at once.
    async fn promote(&self, queue: &QueueName) -> Result<Promoted, JobError>;

    /// Takes back jobs whose lease ran out, at most 256 at a time: cancelled if they were to be; failed
    /// as by [`JobQueue::fail`] if their attempt's timeout is over; else queued again, before their equals,
    /// or failed with a message in the record's `error` once it has happened to the same job `max_stalls`
    /// times (with 1, the first time). Gives how many there were. Any number of workers may do this at
    /// once.
    async fn reclaim(&self, queue: &QueueName, max_stalls: u32) -> Result<usize, JobError>;
}

/// What [`JobQueue::promote`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promoted {
    pub jobs: usize,
    /// How long it is until the next one is due, if any waits for a time; or until the queue's rate lets the
    /// next one begin.
    pub next: Option<Duration>,
}

/// Most jobs one [`JobQueue::claim`] gives.
pub const CLAIM_LIMIT: usize = 256;

/// How much longer a job must have waited than another to outweigh one step of priority.
pub const AGING: Duration = Duration::from_secs(300);

/// How often a job may lose its worker before it is given up.
pub const MAX_STALLS_DEFAULT: u32 = 3;

/// Largest result of a job, in bytes; a larger one is [`JobError::TooLarge`].
pub const RESULT_LIMIT: usize = 64 * 1024;
/// Largest checkpoint, in bytes; a larger one is [`JobError::TooLarge`].
pub const CHECKPOINT_LIMIT: usize = 64 * 1024;
/// Largest typed progress, in bytes; a larger one is [`JobError::TooLarge`].
pub const DETAIL_LIMIT: usize = 16 * 1024;
/// Longest progress message and error text, in bytes; the rest is cut off, at a character boundary.
pub const TEXT_LIMIT: usize = 4 * 1024;
/// The error of an attempt that took longer than its timeout.
pub const TIMED_OUT: &str = "the attempt took longer than the job's timeout";
