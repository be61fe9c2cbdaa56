//! Carries the plan out, one fault after the other, and measures how soon the jobs of a lost worker go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::{sleep, sleep_until};

use super::LEASE;
use super::ledger::Ledger;
use super::plan::{Fault, Step};
use super::shelves::held_by;
use crate::stack::{Stack, Worker};
use crate::wait::until;
use crate::{admin, wait};

/// For a fault to show, and for everything to go on after it.
const SHOWS: Duration = Duration::from_secs(60);

/// What faults have led to.
#[derive(Debug, Default)]
pub struct Sums {
    pub faults: BTreeMap<&'static str, u64>,
    /// Writes of workers that had lost their lease.
    pub stale_writes: f64,
    pub leases_lost: f64,
    /// How long after its worker was lost each job was seen to run again.
    pub recoveries: Vec<Duration>,
}

pub struct Faults<'a> {
    stack: &'a mut Stack,
    ledger: Arc<Ledger>,
    /// For so many jobs to be done as the next fault waits for.
    patience: Duration,
    /// Where the workers that are alive stand in the stack.
    alive: Vec<usize>,
    sums: Sums,
}

impl<'a> Faults<'a> {
    pub fn new(stack: &'a mut Stack, ledger: Arc<Ledger>, patience: Duration) -> Self {
        let alive = (0..stack.workers.len()).collect();
        Self {
            stack,
            ledger,
            patience,
            alive,
            sums: Sums::default(),
        }
    }

    pub async fn run(mut self, steps: &[Step]) -> Result<Sums> {
        for step in steps {
            let what = format!("{} jobs to be done", step.done);
            let ledger = self.ledger.clone();
            let look = async || Ok((ledger.done() >= step.done).then_some(()));
            until(self.patience, &what, look).await?;
            *self.sums.faults.entry(step.fault.kind()).or_default() += 1;
            let carried_out = self.carry_out(step.fault).await;
            carried_out.with_context(|| format!("{:?}", step.fault))?;
        }
        for number in self.alive.clone() {
            self.count(number).await;
        }
        Ok(self.sums)
    }

    async fn carry_out(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::KillWorker { worker } => self.kill(worker).await,
            Fault::StopWorker { worker, beyond } => self.stop(worker, Duration::from_millis(beyond)).await,
            Fault::RestartRedis { away } => {
                self.stack.redis.kill();
                sleep(Duration::from_millis(away)).await;
                Ok(self.stack.redis.restart().await?)
            }
            Fault::KillGateway { gateway } => self.stack.restart_gateway(gateway).await,
        }
    }

    async fn kill(&mut self, worker: usize) -> Result<()> {
        let number = self.alive[worker];
        // It will tell nothing any more.
        self.count(number).await;
        // Stopped for a moment, so that what it has does not change while it is looked at.
        self.stack.workers[number].process.pause()?;
        let (held, lost) = self.losing(number).await?;
        self.stack.workers[number].process.kill();
        self.stack.start_worker()?;
        self.alive[worker] = self.stack.workers.len() - 1;
        self.recovered(&held, lost).await
    }

    async fn stop(&mut self, worker: usize, beyond: Duration) -> Result<()> {
        let number = self.alive[worker];
        let before = refused(&self.stack.workers[number]).await;
        self.stack.workers[number].process.pause()?;
        let (held, lost) = self.losing(number).await?;
        self.recovered(&held, lost).await?;
        sleep_until((lost + LEASE + beyond).into()).await;
        self.stack.workers[number].process.resume()?;
        if held.is_empty() {
            return Ok(());
        }
        let stopped = &self.stack.workers[number];
        until(
            SHOWS,
            "the worker to learn that it has lost its jobs",
            async || {
                let now = refused(stopped).await;
                Ok((now.0 + now.1 > before.0 + before.1).then_some(()))
            },
        )
        .await
    }

    /// What a worker has at the moment in which it is lost.
    async fn losing(&self, number: usize) -> Result<(Vec<(String, u64)>, Instant)> {
        let lost = Instant::now();
        let log = self.stack.workers[number].process.log();
        let name = log
            .split("worker started worker=")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .context("a worker that has said its name")?;
        let held = wait::within(SHOWS, "Redis", held_by(&self.stack.redis, name)).await?;
        Ok((held, lost))
    }

    /// Waits until all of these jobs run again, or have ended, and notes how long each took.
    async fn recovered(&mut self, held: &[(String, u64)], lost: Instant) -> Result<()> {
        for (id, attempt) in held {
            let what = format!("{id} to go on after attempt {attempt}, whose worker was lost");
            let ledger = &self.ledger;
            let at = until(SHOWS, &what, async || Ok(ledger.went_on(id, *attempt))).await?;
            self.sums.recoveries.push(at.saturating_duration_since(lost));
        }
        Ok(())
    }

    async fn count(&mut self, number: usize) {
        let (stale, lost) = refused(&self.stack.workers[number]).await;
        self.sums.stale_writes += stale;
        self.sums.leases_lost += lost;
    }
}

/// Writes that were refused, and leases that were lost; nothing of a worker that is not ready.
async fn refused(worker: &Worker) -> (f64, f64) {
    let of = async |name| admin::metric(worker.admin, name).await.unwrap_or(0.0);
    (
        of("tidegate_stale_writes_rejected_total").await,
        of("tidegate_leases_lost_total").await,
    )
}
