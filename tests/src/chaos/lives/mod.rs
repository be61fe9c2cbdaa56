//! Jobs while workers are killed and stopped, Redis is restarted and gateways die: each ends once, and whoever
//! follows one is told all of it.
//!
//! Faults come when so many jobs are done, and jobs come as long as faults do, so that there is always work
//! under way when one does. Knows Redis' keys, to ask past the product who has which job and what the logs
//! say in the end.

pub mod faults;
pub mod lane;
pub mod ledger;
pub mod plan;
pub mod report;
pub mod shelves;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stack::{Setup, Stack, stack};
use faults::Faults;
use lane::{Lane, Life};
use ledger::Ledger;
use plan::{Size, plan};
use report::Report;

/// How long a worker may be silent until its jobs are taken from it.
pub const LEASE: Duration = Duration::from_secs(2);
/// Within this after the lease of a lost worker its jobs are to run again.
pub const RECOVERY: Duration = Duration::from_secs(2);
/// Jobs that a worker runs at once.
const TOGETHER: usize = 4;
const GATEWAYS: usize = 2;
/// Does something for a moment, and says so.
const WORK: &str =
    "#!/bin/sh\necho '10% begun'\nsleep 0.15\necho '60% going on'\nsleep 0.15\necho '90% nearly'\n";

#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub seed: u64,
    /// At least so many; there are more as long as there are faults to come.
    pub jobs: usize,
    /// Of one fault of each kind.
    pub rounds: usize,
    pub workers: usize,
    pub deadline: Duration,
}

impl Options {
    /// Who submits a job, follows it to its end, and begins with the next: twice as many as can run.
    fn lanes(&self) -> usize {
        self.workers * TOGETHER * 2
    }
}

/// Runs it. Violations are in the report; an error is a run that could not go on.
pub async fn run(options: Options) -> Result<Report> {
    let mut report = None;
    setup(options)
        .run(async |stack| {
            report = Some(Box::pin(live(stack, options)).await?);
            Ok(())
        })
        .await
        .with_context(|| format!("seed {}", options.seed))?;
    report.context("a run that ends has a report")
}

fn setup(options: Options) -> Setup {
    stack()
        .gateways(GATEWAYS)
        .workers(options.workers)
        .lease("2s")
        .concurrency(TOGETHER)
        .durable()
        .deadline(options.deadline)
        .settings(
            "[[worker.command]]\nname = \"work\"\npath = \"/bin/sh\"\narguments = [\"/[a-zA-Z0-9/._-]+work\\\\.sh\"]\n",
        )
}

async fn live(stack: &mut Stack, options: Options) -> Result<Report> {
    let began = Instant::now();
    let script = stack.folder().join("work.sh");
    fs::write(&script, WORK)?;
    let ledger = Arc::new(Ledger::default());
    let over = CancellationToken::new();
    let mut lanes = JoinSet::new();
    for _ in 0..options.lanes() {
        let lane = Lane {
            port: stack.nginx.port,
            url: stack.url(),
            script: script.display().to_string(),
            ledger: ledger.clone(),
            jobs: options.jobs,
            over: over.clone(),
        };
        lanes.spawn(lane.run());
    }
    let steps = plan(
        options.seed,
        Size {
            jobs: options.jobs,
            rounds: options.rounds,
            workers: options.workers,
            gateways: GATEWAYS,
        },
    );
    let faults = Faults::new(stack, ledger.clone(), options.deadline);
    let sums = faults.run(&steps).await?;
    over.cancel();
    let mut lives: Vec<Life> = Vec::with_capacity(options.jobs);
    while let Some(lane) = lanes.join_next().await {
        lives.extend(lane?);
    }
    shelves::audit(&stack.redis, &lives, &ledger).await?;
    Ok(Report {
        seed: options.seed,
        seconds: began.elapsed().as_secs_f64(),
        sums,
        failed: lives.iter().filter(|life| life.state != "succeeded").count(),
        reconnects: lives.iter().map(|life| u64::from(life.reconnects)).sum(),
        entries: lives.iter().map(|life| life.entries).sum(),
        jobs: lives.len(),
        further_attempts: ledger.further_attempts(),
        violations: ledger.violations(),
    })
}
