//! A store in memory, and what tests ask of it. Each test program uses a part.
#![allow(dead_code, reason = "shared by test programs that each use a part")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is what tests are for"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::From;
use tidegate_shared::embedded::Store;
use tidegate_shared::job::{JobDraft, JobId, JobRecord, JobState};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{JobType, QueueName};
use tidegate_shared::namespace::Namespaces;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;
use tidegate_worker::{Worker, WorkerError};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    store: Arc<Store>,
    pub(crate) backend: Backend,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let store = Store::new(Namespaces::default());
        let backend = store.open();
        Self { store, backend }
    }

    /// Another broker on the same data.
    pub(crate) fn open(&self) -> Backend {
        self.store.open()
    }

    pub(crate) async fn submit(&self, kind: &str, data: Value) -> JobId {
        self.submit_to("default", kind, data).await
    }

    pub(crate) async fn submit_to(&self, queue: &str, kind: &str, data: Value) -> JobId {
        submit(&self.backend, queue, kind, data).await
    }

    pub(crate) async fn record(&self, id: &JobId) -> JobRecord {
        self.backend.jobs.get(id).await.expect("the job exists")
    }

    pub(crate) async fn ended(&self, id: &JobId) -> JobRecord {
        self.until(id, |record| record.state.is_terminal()).await
    }

    /// Waits until the job's record is as wanted.
    pub(crate) async fn until(&self, id: &JobId, wanted: impl Fn(&JobRecord) -> bool) -> JobRecord {
        until(&self.open(), id, wanted).await
    }

    /// The records in the job's log.
    pub(crate) async fn log(&self, id: &JobId) -> Vec<JobRecord> {
        log(&self.backend, id).await
    }
}

pub(crate) async fn submit(backend: &Backend, queue: &str, kind: &str, data: Value) -> JobId {
    let queue = QueueName::parse(queue).expect("a queue");
    let kind = JobType::parse(kind).expect("a type");
    let data = RawJson::parse(&Bytes::from(data.to_string())).expect("JSON");
    let draft = JobDraft {
        max_attempts: Some(1),
        ..JobDraft::new(&queue, kind, data)
    };
    let submitted = backend.jobs.submit(draft).await.expect("submitted");
    submitted.record.id
}

/// Needs a backend whose events nobody else takes.
pub(crate) async fn until(backend: &Backend, id: &JobId, wanted: impl Fn(&JobRecord) -> bool) -> JobRecord {
    let mut events = backend.broker.events().expect("nobody else took the events");
    backend.broker.attach(&Topic::of_job(id)).await.expect("attached");
    let wait = async {
        loop {
            let record = backend.jobs.get(id).await.expect("the job exists");
            if wanted(&record) {
                return record;
            }
            events.next_batch(&mut Vec::new(), 1_000).await;
        }
    };
    if let Ok(record) = timeout(DEADLINE, wait).await {
        return record;
    }
    panic!("still {:?}", backend.jobs.get(id).await)
}

pub(crate) async fn log(backend: &Backend, id: &JobId) -> Vec<JobRecord> {
    let page = backend.broker.read(&Topic::of_job(id), From::Newest, 1_000).await;
    let page = page.expect("the log can be read");
    page.publications
        .iter()
        .map(|publication| match &publication.body {
            Body::Job { record } => serde_json::from_str(record.as_str()).expect("a record"),
            other => panic!("{other:?}"),
        })
        .collect()
}

pub(crate) fn terminals(log: &[JobRecord]) -> usize {
    log.iter().filter(|record| record.state.is_terminal()).count()
}

pub(crate) fn result(record: &JobRecord) -> Value {
    assert_eq!(record.state, JobState::Succeeded, "{:?}", record.error);
    serde_json::from_str(record.result.as_ref().expect("a result").as_str()).expect("JSON")
}

/// A worker that runs until it is told to stop.
pub(crate) struct Running {
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Running {
    pub(crate) fn start(worker: Worker) -> Self {
        let shutdown = CancellationToken::new();
        Self {
            task: tokio::spawn(worker.run(shutdown.clone())),
            shutdown,
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await.expect("it ends well");
    }

    pub(crate) async fn ended(self) -> Result<(), WorkerError> {
        let ended = timeout(DEADLINE, self.task).await.expect("it ends in time");
        ended.expect("it does not panic")
    }
}

/// The value of a metric, with its labels as Prometheus writes them.
pub(crate) fn metric(registry: &prometheus::Registry, name: &str) -> Option<f64> {
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .expect("text");
    let line = text
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}
