//! The leases that this worker holds, and their renewal.
//!
//! The [`Keeper`] runs on a thread of its own with a small runtime of its own, so that nothing which
//! happens on the threads of handlers, or of the program the worker is part of, delays a heartbeat.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidegate_shared::job::{Beat, JobQueue, Lease};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::{Outage, jitter};
use super::metrics::WorkerMetrics;

/// Most leases in one heartbeat: the most items one Redis script may loop over.
const BATCH: usize = 256;

/// Between two heartbeats at the most. One costs Redis a microsecond for each lease.
const LONGEST: Duration = Duration::from_secs(1);

/// A lease, and what this worker believes of it.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) lease: Lease,
    /// The job is no longer this worker's: nothing is written any more.
    pub(crate) lost: CancellationToken,
    /// Nobody wants this attempt to go on: the job is lost, to be cancelled, or out of time.
    pub(crate) unwanted: CancellationToken,
    /// The handler should end: the attempt is unwanted, or the worker shuts down.
    pub(crate) stop: CancellationToken,
    /// When the attempt is out of time.
    pub(crate) deadline: Option<Instant>,
    /// The lease is certainly good for its duration from this moment on: when the call that last
    /// renewed it was made.
    renewed: Mutex<Instant>,
    /// The outcome is being written. Then only that write tells whether the job was lost before: a
    /// heartbeat on its way would take a job that ended for one that was lost.
    finishing: AtomicBool,
    /// Somebody wants the job to be cancelled.
    cancelled: AtomicBool,
    timed_out: AtomicBool,
}

impl Hold {
    /// `stop` fires `stopping`'s children; `claimed` is when the claiming call was made, `timeout` what
    /// the attempt may take.
    pub(crate) fn new(
        lease: Lease,
        claimed: Instant,
        timeout: Option<Duration>,
        stopping: &CancellationToken,
    ) -> Self {
        Self {
            lease,
            lost: CancellationToken::new(),
            unwanted: CancellationToken::new(),
            stop: stopping.child_token(),
            // A time that no clock can show never comes.
            deadline: timeout.and_then(|timeout| claimed.checked_add(timeout)),
            renewed: Mutex::new(claimed),
            finishing: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            timed_out: AtomicBool::new(false),
        }
    }

    /// Gives whether it was held until now.
    pub(crate) fn lose(&self) -> bool {
        let held = !self.lost.is_cancelled();
        self.lost.cancel();
        self.end();
        held
    }

    /// Tells the handler to end, because somebody wants the job to be cancelled.
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.end();
    }

    /// Tells the handler to end, because the attempt has taken too long.
    pub(crate) fn time_out(&self) {
        self.timed_out.store(true, Ordering::Release);
        self.end();
    }

    fn end(&self) {
        self.unwanted.cancel();
        self.stop.cancel();
    }

    pub(crate) fn is_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Acquire)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn finishing(&self) {
        self.finishing.store(true, Ordering::Release);
    }

    fn ran_out(&self, lease: Duration) -> bool {
        self.renewed.lock().elapsed() >= lease
    }
}

/// All leases held now: as many as the worker's concurrency at most.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: Mutex<HashMap<Lease, Arc<Hold>>>,
}

impl Leases {
    pub(crate) fn add(&self, hold: &Arc<Hold>) {
        self.held.lock().insert(hold.lease.clone(), Arc::clone(hold));
    }

    pub(crate) fn remove(&self, lease: &Lease) {
        self.held.lock().remove(lease);
    }

    fn all(&self) -> Vec<Arc<Hold>> {
        self.held.lock().values().map(Arc::clone).collect()
    }
}

/// Renews leases until told to stop.
pub(crate) struct Keeper {
    pub(crate) jobs: Arc<dyn JobQueue>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) lease: Duration,
    pub(crate) metrics: WorkerMetrics,
}

impl Keeper {
    /// Starts the thread. It ends soon after `stop` has fired.
    pub(crate) fn spawn(self, stop: CancellationToken) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("leases".into())
            .spawn(move || runtime.block_on(self.run(stop)))?;
        Ok(())
    }

    async fn run(self, stop: CancellationToken) {
        let mut outage = Outage::new("renew leases");
        // Three tries within a lease; while they fail, more. Often enough to hear soon of a job that is to
        // be cancelled.
        let (calm, urgent) = ((self.lease / 3).min(LONGEST), self.lease / 12);
        let mut pause = calm;
        while stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
        {
            pause = match self.renew().await {
                Ok(()) => {
                    outage.over();
                    calm
                }
                Err(error) => {
                    outage.failed(&error);
                    jitter(urgent)
                }
            };
        }
    }

    async fn renew(&self) -> Result<(), String> {
        let holds = self.leases.all();
        let mut outcome = Ok(());
        for batch in holds.chunks(BATCH) {
            let leases: Vec<Lease> = batch.iter().map(|hold| hold.lease.clone()).collect();
            let asked = Instant::now();
            let answer = timeout(self.lease / 3, self.jobs.heartbeat(&leases, self.lease)).await;
            match answer {
                Ok(Ok(beats)) => {
                    for (hold, beat) in batch.iter().zip(beats) {
                        match beat {
                            Beat::Extended => *hold.renewed.lock() = asked,
                            Beat::Cancel => {
                                *hold.renewed.lock() = asked;
                                hold.cancel();
                            }
                            Beat::Lost => self.taken(hold),
                        }
                    }
                }
                Ok(Err(error)) => outcome = Err(error.to_string()),
                Err(_) => outcome = Err("no answer in time".into()),
            }
            // Whoever was not heard for that long must expect that another worker has the job.
            for hold in batch.iter().filter(|hold| hold.ran_out(self.lease)) {
                if hold.lose() {
                    self.metrics.leases_lost.inc();
                    tracing::warn!(job = %hold.lease.job, "stopped a job: its lease ran out before it could be renewed");
                }
            }
        }
        outcome
    }

    fn taken(&self, hold: &Hold) {
        if !hold.finishing.load(Ordering::Acquire) && hold.lose() {
            self.metrics.leases_lost.inc();
            tracing::warn!(job = %hold.lease.job, "stopped a job: its lease was lost, another worker may have it");
        }
    }
}
