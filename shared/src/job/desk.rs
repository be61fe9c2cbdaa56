//! What operators and gateways ask about jobs, beside their lives.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::job::{JobError, JobId, JobRecord, JobState};
use crate::name::{QueueName, UserId, WorkerId};

/// Looking at jobs and queues, and tidying them up. Lists are what the backend finds at that moment; jobs
/// that change meanwhile may be missing from a page, or be on two.
#[async_trait]
pub trait JobDesk: Send + Sync + 'static {
    /// The queues that have jobs, or had some in the last days, by name.
    async fn queues(&self) -> Result<Vec<QueueInfo>, JobError>;

    /// Jobs of a queue in one state, from `after` on: those that ended last first, those that wait for a
    /// time latest first, queued ones last to be claimed first, running ones newest first. At most `limit`
    /// of them, and [`SHELF_LIMIT`]; there may be fewer, or none, and still others to come, as `next` says.
    /// Of jobs that have ended the newest [`LISTED`] are listed.
    async fn shelf(
        &self,
        queue: &QueueName,
        state: JobState,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Shelf, JobError>;

    /// The attempts at a job, oldest first; of those that are over, the last [`HISTORY`].
    async fn attempts(&self, id: &JobId) -> Result<Vec<Attempted>, JobError>;

    /// Jobs of the queue are not claimed any more; all else goes on.
    async fn pause(&self, queue: &QueueName) -> Result<(), JobError>;

    async fn resume(&self, queue: &QueueName) -> Result<(), JobError>;

    /// Queues a dead letter again, with all its attempts before it: a new life, that ends with a terminal
    /// entry of its own. [`JobError::NotDead`] if the job is none.
    async fn redrive(&self, id: &JobId) -> Result<JobRecord, JobError>;

    /// Forgets jobs of a queue that ended so, and so long ago; at most 256 at a time. Gives how many.
    async fn purge(&self, queue: &QueueName, ended: JobState, ago: Duration) -> Result<usize, JobError>;

    /// The user's jobs that have not ended, newest first, at most 256. A job is on this list from before it
    /// is submitted: whoever submits and dies leaves no job that its user does not find.
    async fn of_user(&self, user: &UserId) -> Result<Vec<JobRecord>, JobError>;
}

/// Most jobs one [`JobDesk::shelf`] gives.
pub const SHELF_LIMIT: usize = 256;
/// Most ended jobs of a queue and a state that can be listed.
pub const LISTED: usize = 10_000;
/// Most attempts that are remembered for each job.
pub const HISTORY: usize = 20;
/// Most jobs of a user that are remembered; the oldest are dropped.
pub const OWNED: usize = 1_000;
/// How long dead letters are kept, unless their queue keeps jobs for longer.
pub const DEAD_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// A queue as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueInfo {
    pub name: QueueName,
    pub paused: bool,
    pub queued: u64,
    pub scheduled: u64,
    pub retrying: u64,
    pub running: u64,
    pub dead: u64,
    /// How long the job that is next has been waiting.
    pub oldest_ms: Option<u64>,
}

/// Where in a list a job is: what the list is sorted by, then the id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub rank: i64,
    /// Of a job, but it may be gone.
    pub id: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Shelf {
    pub jobs: Vec<JobRecord>,
    /// Where to go on; absent at the end.
    pub next: Option<Place>,
}

/// One attempt at a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    pub attempt: u32,
    pub worker: Option<WorkerId>,
    pub started_at: Option<u64>,
    /// Absent while it runs.
    pub ended_at: Option<u64>,
    /// `failed`, `released`, `lost` (its worker was), or the job's state: `running`, `succeeded`, …
    pub outcome: String,
    pub error: Option<String>,
}

impl Attempted {
    /// All attempts, from those that are remembered as over and the record, which tells of the last.
    pub(crate) fn all(mut over: Vec<Self>, record: &JobRecord, worker: Option<WorkerId>) -> Vec<Self> {
        let told = over
            .last()
            .is_some_and(|last| last.started_at == record.started_at && last.attempt == record.attempt);
        let waits = matches!(
            record.state,
            JobState::Scheduled | JobState::Queued | JobState::Retrying
        );
        if record.started_at.is_some() && !told && !waits {
            over.push(Self {
                attempt: record.attempt,
                worker,
                started_at: record.started_at,
                ended_at: record.finished_at,
                outcome: record.state.name().to_owned(),
                error: record.error.clone(),
            });
        }
        over
    }
}
