//! One job on one handler in memory: what a test of a handler needs. No Redis, no network, no files.

use serde::Serialize;
use thiserror::Error;
use tidegate_shared::broker::{BrokerError, From as ReadFrom};
use tidegate_shared::embedded::Store;
use tidegate_shared::job::{JobDraft, JobError, JobRecord};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{JobType, NameError, QueueName};
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
/// ended.
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
///     n.checked_mul(2).ok_or_else(|| JobFailure::new("too large to double"))
/// };
/// let trial = try_out(handler, u32::MAX).await?;
/// assert_eq!(trial.record.error.as_deref(), Some("too large to double"));
/// # Ok(())
/// # }
/// ```
pub async fn try_out<J: Job>(handler: impl Handler<J>, input: impl Serialize) -> Result<Trial, TrialError> {
    let backend = Store::new(Namespaces::default()).open();
    let queue = QueueName::parse("default")?;
    let draft = JobDraft {
        max_attempts: Some(1),
        ..JobDraft::new(&queue, JobType::parse(J::TYPE)?, RawJson::of(&input)?)
    };
    let (id, topic) = (draft.id.clone(), Topic::of_job(&draft.id));
    let worker = Worker::builder(backend.clone()).register(handler).build()?;
    backend.broker.attach(&topic).await?;
    let mut events = backend.broker.events();
    backend.jobs.submit(draft).await?;

    let shutdown = CancellationToken::new();
    let watch = async {
        loop {
            let record = backend.jobs.get(&id).await?;
            if record.state.is_terminal() {
                shutdown.cancel();
                return Ok::<_, JobError>(record);
            }
            if let Some(events) = &mut events {
                events.next_batch(&mut Vec::new(), 1_000).await;
            }
        }
    };
    let (ran, record) = tokio::join!(worker.run(shutdown.clone()), watch);
    ran?;
    let page = backend.broker.read(&topic, ReadFrom::Newest, usize::MAX).await?;
    let bodies = page.publications.iter().map(|publication| &publication.body);
    let log = bodies.filter_map(|body| match body {
        Body::Job { record } => serde_json::from_str(record.as_str()).ok(),
        _ => None,
    });
    Ok(Trial {
        record: record?,
        log: log.collect(),
    })
}
