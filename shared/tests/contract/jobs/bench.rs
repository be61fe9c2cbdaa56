use std::time::Duration;

use tidegate_shared::backend::Backend;
use tidegate_shared::broker::From;
use tidegate_shared::job::{
    Claim, JobDraft, JobId, JobQueue, JobRecord, JobState, Lease, MAX_STALLS_DEFAULT, Percent, Progress,
    Submitted,
};
use tidegate_shared::name::{IdempotencyKey, JobType, QueueName, WorkerId};
use tidegate_shared::position::Position;
use tidegate_shared::publication::{Body, Publication, Snapshot};
use tidegate_shared::topic::Topic;

use crate::contract::broker::{assert_contiguous, json, read};
use crate::contract::{World, eventually};

/// A lease that runs out while a case looks on.
pub(crate) const SHORT: Duration = Duration::from_millis(20);

/// A lease that outlives every case.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// A queue, and a node to work on it from.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) node: Backend,
    pub(crate) queue: QueueName,
    worker: WorkerId,
}

impl Bench {
    pub(crate) async fn new<W: World>(world: &W) -> Self {
        Self {
            node: world.node().await,
            queue: QueueName::parse("q").expect("valid"),
            worker: WorkerId::parse("worker-1").expect("valid"),
        }
    }

    /// The same queue from another node.
    pub(crate) async fn another<W: World>(&self, world: &W) -> Self {
        Self {
            node: world.node().await,
            queue: self.queue.clone(),
            worker: WorkerId::parse("worker-2").expect("valid"),
        }
    }

    /// Another queue from the same node.
    pub(crate) fn on(&self, queue: &str) -> Self {
        Self {
            queue: QueueName::parse(queue).expect("valid"),
            ..self.clone()
        }
    }

    pub(crate) fn jobs(&self) -> &dyn JobQueue {
        &*self.node.jobs
    }

    pub(crate) fn draft(&self) -> JobDraft {
        let kind = JobType::parse("test.sleep").expect("valid");
        JobDraft::new(&self.queue, kind, json("{\"seconds\": 1.50}"))
    }

    pub(crate) fn keyed(&self, key: &str) -> JobDraft {
        JobDraft {
            key: Some(IdempotencyKey::parse(key).expect("valid")),
            ..self.draft()
        }
    }

    pub(crate) async fn submit(&self, draft: JobDraft) -> Submitted {
        self.jobs().submit(draft).await.expect("submitted")
    }

    /// Submits a plain job.
    pub(crate) async fn submit_one(&self) -> JobId {
        self.submit(self.draft()).await.record.id
    }

    pub(crate) async fn claim(&self, limit: usize, lease: Duration) -> Vec<Claim> {
        self.jobs()
            .claim(&self.queue, &self.worker, limit, lease)
            .await
            .expect("claimed")
    }

    /// Claims the one job that must be there.
    pub(crate) async fn claim_one(&self, lease: Duration) -> Claim {
        self.claim(1, lease).await.pop().expect("a job waits")
    }

    /// Submits a job and claims it, with an empty queue before.
    pub(crate) async fn start_one(&self, lease: Duration) -> Lease {
        let id = self.submit_one().await;
        let claim = self.claim_one(lease).await;
        assert_eq!(claim.lease.job, id);
        claim.lease
    }

    pub(crate) async fn get(&self, id: &JobId) -> JobRecord {
        self.jobs().get(id).await.expect("the job exists")
    }

    /// Takes back leases until as many jobs as given were taken back.
    pub(crate) async fn reclaim(&self, number: usize) {
        self.reclaim_with(number, MAX_STALLS_DEFAULT).await;
    }

    pub(crate) async fn reclaim_with(&self, number: usize, max_stalls: u32) {
        let mut taken_back = 0;
        while taken_back < number {
            taken_back += eventually("a lease runs out", || async {
                let now = self.jobs().reclaim(&self.queue, max_stalls).await;
                Some(now.expect("reclaimed")).filter(|number| *number > 0)
            })
            .await;
        }
        assert_eq!(taken_back, number);
    }

    /// The whole log of a job, each entry the next after the one before, the last of them the record.
    pub(crate) async fn log(&self, id: &JobId) -> Vec<JobRecord> {
        let topic = Topic::of_job(id);
        let page = read(&self.node, &topic, From::Newest).await;
        let top = page.top.expect("jobs have a log");
        assert_contiguous(Position::start(top.epoch), &page.publications);
        let entries: Vec<JobRecord> = page.publications.iter().map(|one| record_of(one)).collect();
        assert_eq!(u64::try_from(entries.len()), Ok(top.offset));
        let record = self.get(id).await;
        assert_eq!(entries.last(), Some(&record), "the last entry is the record");
        let page = read(&self.node, &topic, From::Now).await;
        let Some(Snapshot::Job(snapshot)) = page.snapshot else {
            panic!("no snapshot: {page:?}");
        };
        assert_eq!(serde_json::from_str(snapshot.as_str()).ok(), Some(record));
        entries
    }

    /// The entries of the queue's log that are about one job.
    pub(crate) async fn log_in_queue(&self, id: &JobId) -> Vec<JobRecord> {
        let page = read(&self.node, &Topic::of_queue(&self.queue), From::Newest).await;
        let top = page.top.expect("queues have a log");
        assert_contiguous(Position::start(top.epoch), &page.publications);
        let mut entries: Vec<JobRecord> = page.publications.iter().map(|one| record_of(one)).collect();
        entries.retain(|entry| entry.id == *id);
        entries
    }

    /// Everything that is stored about a job and can be seen, to be compared.
    pub(crate) async fn all_of(&self, id: &JobId) -> (Vec<JobRecord>, Vec<JobRecord>) {
        (self.log(id).await, self.log_in_queue(id).await)
    }
}

/// The record that a log entry of a job is.
pub(crate) fn record_of(publication: &Publication) -> JobRecord {
    match &publication.body {
        Body::Job { record } => serde_json::from_str(record.as_str()).expect("a record"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn percent(value: f64) -> Progress {
    Progress {
        percent: Some(Percent::new(value)),
        ..Progress::default()
    }
}

pub(crate) fn message(text: &str) -> Progress {
    Progress {
        message: Some(text.to_owned()),
        ..Progress::default()
    }
}

/// What of a record changes in a life, for short comparisons.
pub(crate) fn outline(record: &JobRecord) -> (JobState, u32, Option<f64>) {
    (record.state, record.attempt, record.percent.map(Percent::get))
}
