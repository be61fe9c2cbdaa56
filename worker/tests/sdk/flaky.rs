//! A job queue that fails on command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_shared::backend::Backend;
use tidegate_shared::job::{
    Beat, Claim, Failure, JobDraft, JobError, JobId, JobQueue, JobRecord, JobState, Lease, LogLine, Progress,
    Promoted, Submitted,
};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{QueueName, WorkerId};

pub(crate) struct Flaky {
    inner: Arc<dyn JobQueue>,
    /// Nothing gets through.
    pub(crate) away: AtomicBool,
    /// Heartbeats do not get through.
    pub(crate) heartbeats_away: AtomicBool,
    /// Heartbeats are answered as if they had renewed something.
    pub(crate) heartbeats_lie: AtomicBool,
    /// So many outcomes are refused before one gets through.
    pub(crate) refuse_outcomes: AtomicUsize,
    /// So many outcomes are taken, with the answer lost.
    pub(crate) forget_answers: AtomicUsize,
    pub(crate) claims: AtomicUsize,
    pub(crate) waits: AtomicUsize,
    /// Waiting ends at once.
    pub(crate) restless: AtomicBool,
}

impl Flaky {
    pub(crate) fn on(backend: &Backend) -> (Arc<Self>, Backend) {
        let flaky = Arc::new(Self {
            inner: Arc::clone(&backend.jobs),
            away: AtomicBool::default(),
            heartbeats_away: AtomicBool::default(),
            heartbeats_lie: AtomicBool::default(),
            refuse_outcomes: AtomicUsize::default(),
            forget_answers: AtomicUsize::default(),
            claims: AtomicUsize::default(),
            waits: AtomicUsize::default(),
            restless: AtomicBool::default(),
        });
        let jobs: Arc<dyn JobQueue> = Arc::clone(&flaky) as _;
        let backend = backend.clone();
        (flaky, Backend { jobs, ..backend })
    }

    fn there(&self) -> Result<(), JobError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(gone());
        }
        Ok(())
    }

    fn outcome(&self) -> Result<(), JobError> {
        self.there()?;
        if take_one(&self.refuse_outcomes) {
            Err(gone())
        } else {
            Ok(())
        }
    }

    fn answer(&self) -> Result<(), JobError> {
        if take_one(&self.forget_answers) {
            Err(gone())
        } else {
            Ok(())
        }
    }
}

fn gone() -> JobError {
    JobError::Unavailable("on command".into())
}

fn take_one(count: &AtomicUsize) -> bool {
    let less = |count: usize| count.checked_sub(1);
    count
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}

#[async_trait]
impl JobQueue for Flaky {
    async fn submit(&self, draft: JobDraft) -> Result<Submitted, JobError> {
        self.there()?;
        self.inner.submit(draft).await
    }

    async fn get(&self, id: &JobId) -> Result<JobRecord, JobError> {
        self.there()?;
        self.inner.get(id).await
    }

    async fn claim(
        &self,
        queue: &QueueName,
        worker: &WorkerId,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<Claim>, JobError> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        self.there()?;
        self.inner.claim(queue, worker, limit, lease).await
    }

    async fn wait(&self, queues: &[QueueName], timeout: Duration) -> Result<(), JobError> {
        self.waits.fetch_add(1, Ordering::SeqCst);
        self.there()?;
        if self.restless.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.inner.wait(queues, timeout).await
    }

    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Beat>, JobError> {
        self.there()?;
        if self.heartbeats_away.load(Ordering::SeqCst) {
            return Err(gone());
        }
        if self.heartbeats_lie.load(Ordering::SeqCst) {
            return Ok(vec![Beat::Extended; leases.len()]);
        }
        self.inner.heartbeat(leases, lease).await
    }

    async fn progress(&self, lease: &Lease, progress: Progress) -> Result<(), JobError> {
        self.there()?;
        self.inner.progress(lease, progress).await
    }

    async fn log(&self, lease: &Lease, lines: &[LogLine]) -> Result<(), JobError> {
        self.there()?;
        self.inner.log(lease, lines).await
    }

    async fn checkpoint(&self, lease: &Lease, checkpoint: RawJson) -> Result<(), JobError> {
        self.there()?;
        self.inner.checkpoint(lease, checkpoint).await
    }

    async fn succeed(&self, lease: &Lease, result: RawJson) -> Result<(), JobError> {
        self.outcome()?;
        self.inner.succeed(lease, result).await?;
        self.answer()
    }

    async fn fail(&self, lease: &Lease, failure: Failure) -> Result<JobState, JobError> {
        self.outcome()?;
        let state = self.inner.fail(lease, failure).await?;
        self.answer()?;
        Ok(state)
    }

    async fn cancelled(&self, lease: &Lease) -> Result<(), JobError> {
        self.outcome()?;
        self.inner.cancelled(lease).await?;
        self.answer()
    }

    async fn cancel(&self, id: &JobId) -> Result<JobRecord, JobError> {
        self.there()?;
        self.inner.cancel(id).await
    }

    async fn promote(&self, queue: &QueueName) -> Result<Promoted, JobError> {
        self.there()?;
        self.inner.promote(queue).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), JobError> {
        self.outcome()?;
        self.inner.release(lease).await?;
        self.answer()
    }

    async fn reclaim(&self, queue: &QueueName, max_stalls: u32) -> Result<usize, JobError> {
        self.there()?;
        self.inner.reclaim(queue, max_stalls).await
    }
}
