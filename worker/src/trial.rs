//! One job on one handler in memory: what a test of a handler needs. No Redis, no network, no files.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{BrokerError, From as ReadFrom};
use tidegate_shared::embedded::Store;
use tidegate_shared::job::{Failure, JobDraft, JobError, JobId, JobRecord, LogLine, QueuePolicy, Queues};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{JobType, NameError, QueueName, WorkerId};
use tidegate_shared::namespace::Namespaces;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;
use tokio_util::sync::CancellationToken;

use crate::job::{Handler, Job};
use crate::worker::{BuildError, Worker, WorkerError};

/// What became of a job. See [`try_out`].
#[derive(Debug, Clone)]
pub struct Trial {
    /// The job as it ended: state, result or error, last report.
    pub record: JobRecord,
    /// What a client would have seen: the record after each transition and each report, at most the last
    /// thousand. Reports that follow each other within a tenth of a second are one.
    pub log: Vec<JobRecord>,
    /// The log lines among them.
    pub lines: Vec<LogLine>,
}

/// Why a trial could not be made. A job that fails is none of these.
#[derive(Debug, Error)]
pub enum TrialError {
    #[error("the input cannot be written as JSON: {0}")]
    Input(#[from] serde_json::Error),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Runs one job with this input on this handler, by a real worker on a backend in memory, until it has
/// ended. There is one attempt; [`Trial::of`] can do more.
///
/// ```
/// # use tidegate_worker::{Context, Job, JobFailure, try_out};
/// # struct Double;
/// # impl Job for Double {
/// #     const TYPE: &'static str = "double";
/// #     type Input = u32;
/// #     type Progress = ();
/// #     type Output = u32;
/// # }
/// # #[tokio::main]
/// # async fn main() -> Result<(), tidegate_worker::TrialError> {
/// let handler = async |n: u32, _: Context<Double>| {
///     n.checked_mul(2).ok_or_else(|| JobFailure::fatal("too large to double"))
/// };
/// let trial = try_out(handler, u32::MAX).await?;
/// assert_eq!(trial.record.error.as_deref(), Some("too large to double"));
/// # Ok(())
/// # }
/// ```
pub async fn try_out<J: Job>(handler: impl Handler<J>, input: impl Serialize) -> Result<Trial, TrialError> {
    Trial::of(handler).run(input).await
}

impl Trial {
    /// A trial of this handler in which things happen.
    ///
    /// ```
    /// # use tidegate_worker::{Context, Job, JobFailure, Trial};
    /// # struct Wait;
    /// # impl Job for Wait {
    /// #     const TYPE: &'static str = "wait";
    /// #     type Input = ();
    /// #     type Progress = ();
    /// #     type Output = ();
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), tidegate_worker::TrialError> {
    /// let handler = async |(): (), context: Context<Wait>| -> Result<(), JobFailure> {
    ///     context.progress(50.0, "waiting");
    ///     Err(context.stopped().await.into())
    /// };
    /// let trial = Trial::of(handler).cancel_when(|job| job.percent.is_some()).run(()).await?;
    /// assert_eq!(trial.record.state.name(), "cancelled");
    /// # Ok(())
    /// # }
    /// ```
    pub fn of<J: Job, H: Handler<J>>(handler: H) -> Setup<J, H> {
        Setup {
            handler,
            attempts: 1,
            timeout: None,
            checkpoint: None,
            cancel_when: None,
            job: PhantomData,
        }
    }
}

type Condition = Box<dyn Fn(&JobRecord) -> bool + Send + Sync>;

/// What happens in a trial. See [`Trial::of`].
pub struct Setup<J, H> {
    handler: H,
    attempts: u32,
    timeout: Option<Duration>,
    checkpoint: Option<Result<RawJson, serde_json::Error>>,
    cancel_when: Option<Condition>,
    job: PhantomData<fn() -> J>,
}

impl<J: Job, H: Handler<J>> Setup<J, H> {
    /// How often the job may be tried. Attempts follow each other almost at once.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// What an attempt may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// There was an attempt before, which has kept this and failed; it counts as one more.
    #[must_use]
    pub fn checkpoint(mut self, kept: &(impl Serialize + ?Sized)) -> Self {
        self.checkpoint = Some(RawJson::of(kept));
        self
    }

    /// Somebody cancels the job when its record is like this. Within a second the handler is told.
    #[must_use]
    pub fn cancel_when(mut self, condition: impl Fn(&JobRecord) -> bool + Send + Sync + 'static) -> Self {
        self.cancel_when = Some(Box::new(condition));
        self
    }

    /// Until the job has ended.
    pub async fn run(self, input: impl Serialize) -> Result<Trial, TrialError> {
        let policy = QueuePolicy {
            retry_base: Duration::from_millis(1),
            ..QueuePolicy::default()
        };
        let queues = Queues::new(policy, []);
        let backend = Store::new(Namespaces::default().with_queues(queues)).open();
        let queue = QueueName::parse("default")?;
        let kept = self.checkpoint.transpose()?;
        let draft = JobDraft {
            max_attempts: Some(self.attempts.saturating_add(kept.is_some().into())),
            timeout: self.timeout,
            ..JobDraft::new(&queue, JobType::parse(J::TYPE)?, RawJson::of(&input)?)
        };
        let (id, topic) = (draft.id.clone(), Topic::of_job(&draft.id));
        let worker = Worker::builder(backend.clone()).register(self.handler).build()?;
        backend.broker.attach(&topic).await?;
        backend.jobs.submit(draft).await?;
        if let Some(kept) = kept {
            attempt_before(&backend, &queue, kept).await?;
        }

        let shutdown = CancellationToken::new();
        let watch = async {
            let record = watch(&backend, &id, self.cancel_when).await;
            shutdown.cancel();
            record
        };
        let (ran, record) = tokio::join!(worker.run(shutdown.clone()), watch);
        ran?;
        let page = backend.broker.read(&topic, ReadFrom::Newest, usize::MAX).await?;
        let bodies = page.publications.iter().map(|publication| &publication.body);
        let lines = bodies.clone().filter_map(LogLine::of).collect();
        let log = bodies.filter_map(|body| match body {
            Body::Job { record } => serde_json::from_str(record.as_str()).ok(),
            _ => None,
        });
        Ok(Trial {
            record: record?,
            log: log.collect(),
            lines,
        })
    }
}

impl<J, H> fmt::Debug for Setup<J, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("attempts", &self.attempts)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

async fn attempt_before(backend: &Backend, queue: &QueueName, kept: RawJson) -> Result<(), TrialError> {
    let (worker, lease) = (WorkerId::parse("before")?, Duration::from_secs(60));
    for claim in backend.jobs.claim(queue, &worker, 1, lease).await? {
        backend.jobs.checkpoint(&claim.lease, kept.clone()).await?;
        let failure = Failure::retryable("an attempt before the trial");
        backend.jobs.fail(&claim.lease, failure).await?;
    }
    Ok(())
}

/// Gives the record when the job has ended, and cancels it once when it should be.
async fn watch(
    backend: &Backend,
    id: &JobId,
    mut cancel_when: Option<Condition>,
) -> Result<JobRecord, JobError> {
    let mut events = backend.broker.events();
    loop {
        let record = backend.jobs.get(id).await?;
        if record.state.is_terminal() {
            return Ok(record);
        }
        if cancel_when.take_if(|condition| condition(&record)).is_some() {
            backend.jobs.cancel(id).await?;
        }
        if let Some(events) = &mut events {
            events.next_batch(&mut Vec::new(), 1_000).await;
        }
    }
}
