//! What a worker counts. The label `type` is a registered type or `unknown`, so that it is bounded.

use std::collections::BTreeSet;
use std::sync::Arc;

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tidegate_shared::job::JobRecord;
use tidegate_shared::name::{JobType, QueueName};

/// Milliseconds to hours.
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0,
];

/// Label of jobs whose type has no handler here.
const UNKNOWN: &str = "unknown";

/// How an attempt ended, as the label `outcome` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Succeeded,
    Failed,
    Panicked,
    Cancelled,
    /// Failed, and will be tried again.
    Retrying,
    /// Given back unfinished.
    Released,
    /// Another worker has the job, or it has ended.
    Lost,
    /// The outcome could not be written before the worker had to end.
    Unwritten,
}

impl Ended {
    const ALL: [Self; 8] = [
        Self::Succeeded,
        Self::Failed,
        Self::Panicked,
        Self::Cancelled,
        Self::Retrying,
        Self::Released,
        Self::Lost,
        Self::Unwritten,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Cancelled => "cancelled",
            Self::Retrying => "retrying",
            Self::Released => "released",
            Self::Lost => "lost",
            Self::Unwritten => "unwritten",
        }
    }

    /// The state that the job ended in, if it did.
    fn terminal(self) -> Option<&'static str> {
        match self {
            Self::Succeeded => Some("succeeded"),
            Self::Failed | Self::Panicked => Some("failed"),
            Self::Cancelled => Some("cancelled"),
            Self::Retrying | Self::Released | Self::Lost | Self::Unwritten => None,
        }
    }
}

#[derive(Clone)]
pub(crate) struct WorkerMetrics {
    jobs_finished: IntCounterVec,
    job_duration: HistogramVec,
    job_wait: HistogramVec,
    job_attempts: IntCounterVec,
    pub(crate) stale_writes_rejected: IntCounter,
    pub(crate) leases_lost: IntCounter,
    pub(crate) busy: IntGauge,
    types: Arc<BTreeSet<JobType>>,
}

impl WorkerMetrics {
    pub(crate) fn register<'a>(
        registry: &Registry,
        types: impl Iterator<Item = &'a JobType>,
        queues: &[QueueName],
    ) -> Result<Self, prometheus::Error> {
        let counters = |name, help, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let histograms = |name, help, label| {
            let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
            let metric = HistogramVec::new(options, &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let counter = |name, help| {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let busy = IntGauge::new("tidegate_worker_busy", "Jobs running in this worker")?;
        registry.register(Box::new(busy.clone()))?;
        let metrics = Self {
            jobs_finished: counters(
                "tidegate_jobs_finished_total",
                "Jobs that this worker brought to their end",
                &["type", "outcome"],
            )?,
            job_duration: histograms(
                "tidegate_job_duration_seconds",
                "How long handlers ran, however they ended",
                "type",
            )?,
            job_wait: histograms(
                "tidegate_job_wait_seconds",
                "From submission to the start of the first attempt",
                "queue",
            )?,
            job_attempts: counters(
                "tidegate_job_attempts_total",
                "Attempts of this worker at jobs, by how they ended",
                &["type", "outcome"],
            )?,
            stale_writes_rejected: counter(
                "tidegate_stale_writes_rejected_total",
                "Writes of this worker that were refused because it had lost the job",
            )?,
            leases_lost: counter(
                "tidegate_leases_lost_total",
                "Jobs that this worker lost while it ran them",
            )?,
            busy,
            types: Arc::new(types.cloned().collect()),
        };
        metrics.start_at_zero(queues);
        Ok(metrics)
    }

    fn start_at_zero(&self, queues: &[QueueName]) {
        for kind in self.types.iter().map(JobType::as_str).chain([UNKNOWN]) {
            self.job_duration.with_label_values(&[kind]);
            for ended in Ended::ALL {
                self.job_attempts.with_label_values(&[kind, ended.label()]);
                if let Some(state) = ended.terminal() {
                    self.jobs_finished.with_label_values(&[kind, state]);
                }
            }
        }
        for queue in queues {
            self.job_wait.with_label_values(&[queue.as_str()]);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of waiting are far below 2^52"
    )]
    pub(crate) fn claimed(&self, record: &JobRecord) {
        if let (1, Some(started)) = (record.attempt, record.started_at) {
            let waited = started.saturating_sub(record.created_at);
            self.job_wait
                .with_label_values(&[record.queue.as_str()])
                .observe(waited as f64 / 1_000.0);
        }
    }

    pub(crate) fn ended(&self, kind: &JobType, ended: Ended, seconds: f64) {
        let kind = self.types.get(kind).map_or(UNKNOWN, JobType::as_str);
        self.job_duration.with_label_values(&[kind]).observe(seconds);
        self.job_attempts.with_label_values(&[kind, ended.label()]).inc();
        if let Some(state) = ended.terminal() {
            self.jobs_finished.with_label_values(&[kind, state]).inc();
        }
    }
}
