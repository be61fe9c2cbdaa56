//! What a handler can ask and tell while it runs.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_shared::broker::{BrokerError, Published};
use tidegate_shared::job::{JobError, JobId, JobRecord, LogLevel, LogLine, Percent, Progress};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::StateKey;
use tidegate_shared::topic::Topic;
use tokio_util::sync::CancellationToken;

use crate::failure::{JobFailure, Stopped};
use crate::job::Job;
use crate::topics::Topics;
use crate::worker::Attempt;

/// A handler's side of one attempt at a job. Cloning is cheap, and clones may go to other threads.
pub struct Context<J: Job> {
    attempt: Arc<Attempt>,
    job: PhantomData<fn() -> J>,
}

impl<J: Job> Context<J> {
    pub(crate) fn new(attempt: Arc<Attempt>) -> Self {
        Self {
            attempt,
            job: PhantomData,
        }
    }

    pub fn job_id(&self) -> &JobId {
        &self.attempt.record.id
    }

    /// 1 for the first attempt, 2 after a worker was lost, and so on.
    pub fn attempt(&self) -> u32 {
        self.attempt.record.attempt
    }

    /// The job as it was when this attempt began.
    pub fn record(&self) -> &JobRecord {
        &self.attempt.record
    }

    /// Says what is being done, and leaves the percentage as it is.
    ///
    /// No report ever waits or fails: at most ten a second leave the process, the newest of them, and
    /// the last one always before the job ends.
    pub fn message(&self, message: impl Into<String>) {
        self.put(Progress {
            message: Some(message.into()),
            ..Progress::default()
        });
    }

    /// Says how much is done, 0 to 100, and what is being done. See [`Context::message`].
    pub fn progress(&self, percent: f64, message: impl Into<String>) {
        self.put(Progress {
            percent: Some(Percent::new(percent)),
            message: Some(message.into()),
            detail: None,
        });
    }

    /// As [`Context::progress`], with the job's own kind of progress, which clients find in the record's
    /// `progress`. If that has more than 16 KiB as JSON, it is left out.
    pub fn report(&self, percent: f64, message: impl Into<String>, detail: &J::Progress) {
        self.put(Progress {
            percent: Some(Percent::new(percent)),
            message: Some(message.into()),
            detail: self.attempt.detail(RawJson::of(detail)),
        });
    }

    pub(crate) fn put(&self, progress: Progress) {
        if !self.is_lost() {
            self.attempt.reports.put(progress);
        }
    }

    /// Writes a line into the job's log, for who follows the job: a message with the event `log` on its
    /// topic, `{"level": "info", "message": "…"}`. Its history keeps the last ones.
    ///
    /// Never waits or fails. About 300 lines a second leave the process, 256 wait; what comes faster is left
    /// out, and a line says how many were. Of a line, 4 KiB are kept. After a fault of the backend a line may
    /// be there twice.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        if !self.is_lost() {
            self.attempt.reports.write(LogLine::new(level, message));
        }
    }

    /// Keeps something for the next attempt, should there be one, in place of what was kept before: at
    /// most 64 KiB as JSON. It is there when this has returned `Ok`.
    pub async fn checkpoint<T>(&self, value: &T) -> Result<(), JobError>
    where
        T: Serialize + Sync + ?Sized,
    {
        let value = RawJson::of(value).map_err(|error| {
            JobError::Internal(format!("the checkpoint cannot be written as JSON: {error}"))
        })?;
        let lease = &self.attempt.hold.lease;
        self.attempt.backend.jobs.checkpoint(lease, value).await
    }

    /// What an earlier attempt has kept by [`Context::checkpoint`], if any. An error if that is no `T`.
    pub fn restored<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        let kept = self.attempt.checkpoint.as_ref();
        kept.map(|kept| serde_json::from_str(kept.as_str())).transpose()
    }

    /// Fires when the handler should end soon: the worker shuts down, the job was cancelled, is out of
    /// time, or is no longer its. Any error then gives the job back, or ends it as cancelled or out of time;
    /// a result still counts, if the job is still its and the worker's drain grace is not over.
    pub fn stop(&self) -> &CancellationToken {
        &self.attempt.hold.stop
    }

    /// For loops: `context.check()?` ends the handler when it should stop.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.stop().is_cancelled() {
            Err(Stopped)
        } else {
            Ok(())
        }
    }

    /// For `select!`: resolves when the handler should stop.
    pub async fn stopped(&self) -> Stopped {
        self.stop().cancelled().await;
        Stopped
    }

    /// The job is no longer this handler's: whatever it does now, the outcome will not be taken.
    pub fn is_lost(&self) -> bool {
        self.attempt.hold.lost.is_cancelled()
    }

    /// Resolves when nobody wants the job done here any more: it was cancelled, is out of time, or is no
    /// longer this handler's. Unlike [`Context::stopped`] it does not when only the worker shuts down: what
    /// ends within the drain grace still counts.
    pub async fn cancelled(&self) -> Stopped {
        self.attempt.hold.unwanted.cancelled().await;
        Stopped
    }

    /// Nobody wants the job done here any more. See [`Context::cancelled`].
    pub fn is_cancelled(&self) -> bool {
        self.attempt.hold.unwanted.is_cancelled()
    }

    /// When this attempt is out of time; then it is stopped, and has failed. Absent: it may take as long
    /// as it likes.
    pub fn deadline(&self) -> Option<Instant> {
        self.attempt.hold.deadline.map(tokio::time::Instant::into_std)
    }

    /// Publishes to a topic. The topics of jobs and queues are written by reports only, and a handler
    /// that lost its job publishes nothing: both are [`BrokerError::Forbidden`].
    pub async fn publish<T>(&self, topic: &Topic, data: &T) -> Result<Published, BrokerError>
    where
        T: Serialize + Sync + ?Sized,
    {
        self.topics().publish(topic, None, data).await
    }

    /// Sets a key of a state topic. Without a time to live it has that of the topic's namespace.
    pub async fn set<T>(
        &self,
        topic: &Topic,
        key: &StateKey,
        value: &T,
        ttl: Option<Duration>,
    ) -> Result<Published, BrokerError>
    where
        T: Serialize + Sync + ?Sized,
    {
        self.topics().set(topic, key, value, ttl).await
    }

    /// Removes a key of a state topic.
    pub async fn remove(&self, topic: &Topic, key: &StateKey) -> Result<Published, BrokerError> {
        self.topics().remove(topic, key).await
    }

    /// The same attempt for another handler, to which this one leaves a part of its work.
    pub fn lend<K: Job>(&self) -> Context<K> {
        Context::new(Arc::clone(&self.attempt))
    }

    /// Topics, sessions and other jobs, as methods have them. A handler that lost its job publishes nothing by it.
    pub fn topics(&self) -> Topics {
        let hold = &self.attempt.hold;
        Topics::of_job(
            self.attempt.backend.clone(),
            self.job_id().clone(),
            hold.lost.clone(),
        )
    }

    /// Runs code that blocks or computes for long on a thread of its own, with this context. Reports and
    /// [`Context::check`] work there as they are, and [`Context::block_on`] calls what is async.
    ///
    /// The code can't be stopped from outside: let it `context.check()?` now and then. A panic in it is a
    /// panic of the handler.
    ///
    /// ```
    /// # use tidegate_worker::{Context, Job, JobFailure};
    /// # struct Sum;
    /// # impl Job for Sum {
    /// #     const TYPE: &'static str = "sum";
    /// #     type Input = Vec<u64>;
    /// #     type Progress = ();
    /// #     type Output = u64;
    /// # }
    /// async fn sum(numbers: Vec<u64>, context: Context<Sum>) -> Result<u64, JobFailure> {
    ///     let add = move |context: Context<Sum>| {
    ///         let mut sum = 0;
    ///         for number in numbers {
    ///             context.check()?;
    ///             sum += number;
    ///         }
    ///         Ok(sum)
    ///     };
    ///     context.spawn_blocking(add).await
    /// }
    /// ```
    pub async fn spawn_blocking<T, F>(&self, work: F) -> Result<T, JobFailure>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Result<T, JobFailure> + Send + 'static,
    {
        let context = self.clone();
        match tokio::task::spawn_blocking(move || work(context)).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Waits for a future inside of [`Context::spawn_blocking`]. Panics in async code: `await` there.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        tokio::runtime::Handle::current().block_on(future)
    }
}

impl<J: Job> Clone for Context<J> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.attempt))
    }
}

impl<J: Job> fmt::Debug for Context<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("job", self.job_id())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
