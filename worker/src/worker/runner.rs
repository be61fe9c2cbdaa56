//! Runs one claimed job: starts its handler, writes its reports, and brings its outcome home.
//!
//! Two tasks for each job: the handler on the threads of handlers, and this one on the runtime that the
//! worker was started on. A handler that blocks, panics or never ends can therefore hold up nothing.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::IntGauge;
use tidegate_shared::backend::Backend;
use tidegate_shared::job::{Claim, Failure, JobError, JobState, Lease, RESULT_LIMIT, TIMED_OUT};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::JobType;
use tidegate_shared::trace::{Kind, Span, TraceContext, Tracer};
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::field::display;

use super::attempt::Attempt;
use super::backoff::Backoff;
use super::handlers::{AnyHandler, Handlers, Outcome};
use super::lease::{Hold, Leases};
use super::metrics::{Ended, WorkerMetrics};
use super::reports::Report;

/// At most ten reports a second for each job.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Between two tries to report while the backend is away.
const REPORT_RETRY: Duration = Duration::from_secs(1);
/// How long a report may take; it is less important than anything that waits behind it.
const REPORT_LIMIT: Duration = Duration::from_secs(5);
/// How often an outcome that the backend refuses for reasons of its own is tried.
const OUTCOME_TRIES: u32 = 8;

pub(crate) struct Runner {
    pub(crate) backend: Backend,
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) metrics: WorkerMetrics,
    /// Where handlers run.
    pub(crate) threads: Handle,
    /// Fires when the worker shuts down: handlers are told to stop.
    pub(crate) stopping: CancellationToken,
    /// Fires when the drain grace is over: handlers are left alone, and their jobs are given back.
    pub(crate) abandon: CancellationToken,
    /// How long a handler that lost its job may take to notice.
    pub(crate) grace: Duration,
    pub(crate) tracer: Tracer,
}

/// How an attempt ended, before that was written.
enum Ending {
    Succeeded(RawJson),
    Failed(Failure),
    Panicked(String),
    /// As somebody wanted.
    Cancelled,
    Released,
}

impl Runner {
    /// `claimed` is when the claiming call was made.
    pub(crate) async fn run(self: Arc<Self>, claim: Claim, claimed: Instant) {
        let timeout = claim.record.timeout_ms.map(Duration::from_millis);
        let hold = Arc::new(Hold::new(claim.lease, claimed, timeout, &self.stopping));
        let _held = Held::new(&self.leases, &hold, &self.metrics.busy);
        self.metrics.claimed(&claim.record);
        let attempt = Attempt::new(claim.record, hold, self.backend.clone(), claim.checkpoint);
        let attempt = Arc::new(attempt);
        let record = &attempt.record;
        let submitted = record.traceparent.as_deref().and_then(TraceContext::parse);
        let id = submitted.map(|trace| display(trace.id()));
        tracing::debug!(job = %record.id, kind = %record.kind, attempt = record.attempt, trace = id, "started");

        if let Some(mut claim) = self.tracer.follow("claim", Kind::Consumer, submitted) {
            claim.began_at(SystemTime::now() - claimed.elapsed());
        }
        let mut span = self.tracer.follow("run", Kind::Consumer, submitted);
        if let Some(span) = &mut span {
            span.note("tidegate.job.type", &record.kind);
            span.note("tidegate.job.id", &record.id);
            span.note("tidegate.job.attempt", &record.attempt);
        }
        let trace = span.as_ref().map(Span::context);
        let ending = match self.handlers.get(&record.kind) {
            Some(handler) => self.supervise(handler, claim.data, &attempt, trace).await,
            None => Ending::Failed(Failure::retryable(self.no_handler(&attempt))),
        };
        let seconds = claimed.elapsed().as_secs_f64();
        let ended = self.finish(&attempt, ending, trace).await;
        self.metrics.ended(&record.kind, ended, seconds);
        if let Some(span) = &mut span
            && ended != Ended::Succeeded
        {
            span.failed(&format!("{ended:?}"));
        }
        drop(span);
        // The message of a failure is for the job's followers, and may hold what logs must not.
        if ended == Ended::Succeeded {
            tracing::debug!(job = %record.id, kind = %record.kind, attempt = record.attempt, trace = id, "succeeded after {seconds:.3} s");
        } else {
            tracing::info!(job = %record.id, kind = %record.kind, attempt = record.attempt, trace = id, "{ended:?} after {seconds:.3} s");
        }
    }

    fn no_handler(&self, attempt: &Attempt) -> String {
        let types: Vec<&str> = self.handlers.types().map(JobType::as_str).collect();
        format!(
            "the worker that got this job has no handler for the type {}, only for: {}; submit it to a queue \
             whose workers have one (this queue is {})",
            attempt.record.kind,
            types.join(", "),
            attempt.record.queue,
        )
    }

    /// Until the handler has ended, or is left alone.
    async fn supervise(
        &self,
        handler: Arc<dyn AnyHandler>,
        data: RawJson,
        attempt: &Arc<Attempt>,
        trace: Option<TraceContext>,
    ) -> Ending {
        let hold = &attempt.hold;
        let start = handler.start(data, Arc::clone(attempt));
        let mut task = AbortOnDropHandle::new(self.threads.spawn(start));
        let mut report_at = Instant::now();
        let mut overdue = std::pin::pin!(async {
            hold.lost.cancelled().await;
            sleep(self.grace).await;
        });
        let mut aborted = false;
        loop {
            tokio::select! {
                joined = &mut task => return ending(joined, hold),
                () = self.abandon.cancelled() => return Ending::Released,
                () = out_of_time(hold), if !hold.is_timed_out() => hold.time_out(),
                () = report_due(attempt, report_at), if !hold.lost.is_cancelled() => {
                    report_at = self.report(attempt, trace).await;
                }
                // It goes on counting as running until its future is really gone: it may block.
                () = &mut overdue, if !aborted => {
                    aborted = true;
                    task.abort();
                }
            }
        }
    }

    /// Writes the newest report. Gives when the next may be written.
    async fn report(&self, attempt: &Attempt, trace: Option<TraceContext>) -> Instant {
        let Some(mut report) = attempt.reports.take() else {
            return Instant::now();
        };
        let write = self.tell(&attempt.hold.lease, &mut report, trace);
        let pause = match timeout(REPORT_LIMIT, write).await {
            Ok(Ok(())) => REPORT_INTERVAL,
            Ok(Err(JobError::LeaseLost(_) | JobError::NotFound(_))) => {
                self.stale(&attempt.hold);
                REPORT_INTERVAL
            }
            Ok(Err(JobError::Unavailable(_))) | Err(_) => {
                attempt.reports.put_back(report);
                REPORT_RETRY
            }
            Ok(Err(error)) => {
                tracing::warn!(job = %attempt.record.id, "a report was not taken: {error}");
                REPORT_INTERVAL
            }
        };
        Instant::now() + pause
    }

    /// Writes how it ended, for as long as the job is ours and the backend is away.
    async fn finish(&self, attempt: &Attempt, mut ending: Ending, trace: Option<TraceContext>) -> Ended {
        let hold = &attempt.hold;
        hold.finishing();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let mut refusals = 0;
        // What detached threads of the handler report from now on comes too late.
        let mut last_report = match ending {
            Ending::Released => None,
            _ => Some(attempt.reports.take_all()),
        };
        while !hold.lost.is_cancelled() {
            let written = async {
                if let Some(report) = &mut last_report {
                    self.tell(&hold.lease, report, trace).await?;
                }
                self.write(&hold.lease, &ending).await
            };
            match written.await {
                Ok(state) => return ending.written(state),
                Err(JobError::LeaseLost(_) | JobError::NotFound(_)) => {
                    // A release cannot be repeated: the first one may have worked.
                    if matches!(ending, Ending::Released) && backoff.failures() > 0 {
                        return Ended::Released;
                    }
                    self.stale(hold);
                    return Ended::Lost;
                }
                Err(error @ JobError::Unavailable(_)) => {
                    if backoff.failures() == 0 {
                        tracing::warn!(job = %attempt.record.id, "cannot write the outcome: {error}; trying again");
                    }
                }
                Err(error) => {
                    tracing::error!(job = %attempt.record.id, "the outcome was not taken: {error}");
                    refusals += 1;
                    if refusals == OUTCOME_TRIES {
                        return Ended::Unwritten;
                    }
                    last_report = None;
                    let message = format!("the outcome could not be stored: {error}");
                    ending = Ending::Failed(Failure::fatal(message));
                }
            }
            hold.lost.run_until_cancelled(sleep(backoff.next())).await;
        }
        Ended::Lost
    }

    /// Writes a report, and takes out of it what was written.
    async fn tell(
        &self,
        lease: &Lease,
        report: &mut Report,
        trace: Option<TraceContext>,
    ) -> Result<(), JobError> {
        if !report.lines.is_empty() {
            self.backend.jobs.log(lease, &report.lines).await?;
            report.lines.clear();
        }
        if let Some(progress) = report.progress.clone() {
            let _span = self.tracer.follow("progress", Kind::Producer, trace);
            self.backend.jobs.progress(lease, progress).await?;
            report.progress = None;
        }
        Ok(())
    }

    /// Gives the state that a failed attempt leads to.
    async fn write(&self, lease: &Lease, ending: &Ending) -> Result<Option<JobState>, JobError> {
        let jobs = &self.backend.jobs;
        match ending {
            Ending::Succeeded(result) => jobs.succeed(lease, result.clone()).await,
            Ending::Failed(failure) => return jobs.fail(lease, failure.clone()).await.map(Some),
            Ending::Panicked(message) => {
                return jobs.fail(lease, Failure::retryable(message)).await.map(Some);
            }
            Ending::Cancelled => jobs.cancelled(lease).await,
            Ending::Released => jobs.release(lease).await,
        }
        .map(|()| None)
    }

    fn stale(&self, hold: &Hold) {
        self.metrics.stale_writes_rejected.inc();
        if hold.lose() {
            self.metrics.leases_lost.inc();
        }
        tracing::warn!(job = %hold.lease.job, "a write was refused: the job is no longer this worker's");
    }
}

impl Ending {
    fn written(&self, state: Option<JobState>) -> Ended {
        match (self, state) {
            (_, Some(JobState::Retrying)) => Ended::Retrying,
            (_, Some(JobState::Cancelled)) | (Self::Cancelled, _) => Ended::Cancelled,
            (Self::Succeeded(_), _) => Ended::Succeeded,
            (Self::Failed(_), _) => Ended::Failed,
            (Self::Panicked(_), _) => Ended::Panicked,
            (Self::Released, _) => Ended::Released,
        }
    }
}

fn ending(joined: Result<Outcome, JoinError>, hold: &Hold) -> Ending {
    match joined {
        // Another attempt would have the same.
        Ok(Ok(result)) if result.size() > RESULT_LIMIT => Ending::Failed(Failure::fatal(format!(
            "the result has {} bytes, at most {RESULT_LIMIT} are allowed: store it elsewhere and return where",
            result.size()
        ))),
        Ok(Ok(result)) => Ending::Succeeded(result),
        // What goes wrong on being told to stop goes wrong because of that; if not, it will again.
        Ok(Err(_)) | Err(_) if hold.is_cancelled() => Ending::Cancelled,
        Ok(Err(_)) | Err(_) if hold.is_timed_out() => Ending::Failed(Failure::retryable(TIMED_OUT)),
        Ok(Err(_)) | Err(_) if hold.stop.is_cancelled() => Ending::Released,
        Ok(Err(failure)) => Ending::Failed(failure.into_outcome()),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Ending::Panicked(format!("the handler panicked: {}", panic_message(&*panic))),
            Err(_) => Ending::Released,
        },
    }
}

async fn out_of_time(hold: &Hold) {
    match hold.deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

async fn report_due(attempt: &Attempt, at: Instant) {
    attempt.reports.pending().await;
    sleep_until(at).await;
}

/// Counts as busy and renews the lease until dropped.
struct Held<'a> {
    leases: &'a Leases,
    hold: Arc<Hold>,
    busy: &'a IntGauge,
}

impl<'a> Held<'a> {
    fn new(leases: &'a Leases, hold: &Arc<Hold>, busy: &'a IntGauge) -> Self {
        leases.add(hold);
        busy.inc();
        Self {
            leases,
            hold: Arc::clone(hold),
            busy,
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.leases.remove(&self.hold.lease);
        self.busy.dec();
    }
}
