//! Claims jobs for as long as there is room, and starts them.
//!
//! Never holds more than `concurrency` jobs, waits for work without asking again and again, and is fair
//! between queues: each round begins with the one that is owed most and shares out what is free.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::job::{JobError, JobQueue};
use tidegate_shared::name::{QueueName, WorkerId};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::{Backoff, Outage, jitter};
use super::runner::Runner;
use super::turns::Turns;

/// Longest wait for work before asking to be sure: a wake-up may be lost.
const WAIT: Duration = Duration::from_secs(5);
/// A wake-up that comes sooner than this and for nothing is followed by a pause as long.
const HASTE: Duration = Duration::from_millis(10);
/// For writing back what is left after the drain grace.
const RELEASE_LIMIT: Duration = Duration::from_secs(3);

pub(crate) struct Claims {
    pub(crate) jobs: Arc<dyn JobQueue>,
    pub(crate) worker: WorkerId,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) runner: Arc<Runner>,
    pub(crate) running: JoinSet<()>,
    pub(crate) turns: Turns,
}

impl Claims {
    /// Until `stopping` fires.
    pub(crate) async fn run(&mut self, stopping: &CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(100), WAIT);
        let mut outage = Outage::new("claim jobs");
        let mut hasty = false;
        while !stopping.is_cancelled() {
            while let Some(ended) = self.running.try_join_next() {
                reaped(ended);
            }
            let free = self.concurrency.saturating_sub(self.running.len());
            if free == 0 {
                if let Some(Some(ended)) = stopping.run_until_cancelled(self.running.join_next()).await {
                    reaped(ended);
                }
                continue;
            }
            // Not cut short by the shutdown: jobs that were claimed must not be forgotten.
            let asked = match self.round(free).await {
                Ok(0) => {
                    if hasty {
                        stopping.run_until_cancelled(sleep(HASTE)).await;
                    }
                    let began = Instant::now();
                    let waited = stopping.run_until_cancelled(self.wait()).await;
                    hasty = began.elapsed() < HASTE;
                    waited.unwrap_or(Ok(()))
                }
                Ok(_) => {
                    hasty = false;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            match asked {
                Ok(()) => {
                    outage.over();
                    backoff.reset();
                }
                Err(error) => {
                    outage.failed(&error);
                    stopping.run_until_cancelled(sleep(backoff.next())).await;
                }
            }
        }
    }

    async fn wait(&self) -> Result<(), JobError> {
        let wait = self.jobs.wait(&self.queues, jitter(WAIT));
        timeout(WAIT * 2, wait).await.unwrap_or(Ok(()))
    }

    /// Asks every queue once. Gives how many jobs it started.
    async fn round(&mut self, free: usize) -> Result<usize, JobError> {
        let mut started = 0;
        let order = self.turns.round();
        for (at, &queue) in order.iter().enumerate() {
            let limit = self.turns.share(&order[at..], free.saturating_sub(started));
            if limit == 0 {
                break;
            }
            let claimed = Instant::now();
            let claims = self
                .jobs
                .claim(&self.queues[queue], &self.worker, limit, self.lease)
                .await?;
            self.turns.served(queue, claims.len());
            for claim in claims {
                started += 1;
                self.running.spawn(Arc::clone(&self.runner).run(claim, claimed));
            }
        }
        Ok(started.min(free))
    }

    /// Waits for what runs, gives back what is left after the grace.
    pub(crate) async fn drain(mut self, grace: Duration) {
        // Those that have ended already, and that nobody has looked at since.
        while let Some(ended) = self.running.try_join_next() {
            reaped(ended);
        }
        if self.running.is_empty() {
            return;
        }
        tracing::info!(
            "waiting up to {grace:.0?} for {} running jobs",
            self.running.len()
        );
        if timeout(grace, all_ended(&mut self.running)).await.is_ok() {
            return;
        }
        tracing::warn!("giving back {} jobs that have not ended", self.running.len());
        self.runner.abandon.cancel();
        if timeout(RELEASE_LIMIT, all_ended(&mut self.running))
            .await
            .is_err()
        {
            tracing::error!(
                "{} jobs could not be given back; other workers get them when their leases run out",
                self.running.len()
            );
        }
    }
}

async fn all_ended(running: &mut JoinSet<()>) {
    while let Some(ended) = running.join_next().await {
        reaped(ended);
    }
}

fn reaped(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a job was left to its lease: {error}");
    }
}
