//! Submits one job after the other, and follows each to its end through whatever happens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::ledger::Ledger;
use crate::follower::{Event, Follower};
use crate::stack::post;
use crate::{job, wait};

/// For a job to be accepted, or a subscription to be made, after a fault.
const SHOWS: Duration = Duration::from_secs(30);
/// For a job to end. Several faults may come in its way.
const LIFE: Duration = Duration::from_secs(180);
/// Before somebody asks again who was refused.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Lane {
    pub port: u16,
    pub url: String,
    pub script: String,
    pub ledger: Arc<Ledger>,
    pub jobs: usize,
    /// No fault is to come.
    pub over: CancellationToken,
}

/// A job as its follower saw it end.
#[derive(Debug)]
pub struct Life {
    pub id: String,
    pub state: String,
    /// Where the follower stood then.
    pub offset: u64,
    /// What it was handed.
    pub entries: usize,
    pub reconnects: u32,
}

impl Lane {
    /// What is wrong with a job is in the ledger, and the lane goes on with the next.
    pub async fn run(self) -> Vec<Life> {
        let mut lives = Vec::new();
        loop {
            let number = self.ledger.begin();
            if number >= self.jobs && self.over.is_cancelled() {
                return lives;
            }
            match self.submit(number).await {
                Ok(id) => match wait::within(LIFE, &format!("the end of {id}"), self.follow(&id)).await {
                    Ok(life) => lives.push(life),
                    Err(error) => self.ledger.wrong(format!("{id}: {error:#}")),
                },
                Err(error) => self.ledger.wrong(format!("job {number}: {error:#}")),
            }
        }
    }

    /// Asks until it is accepted, which its key makes safe.
    async fn submit(&self, number: usize) -> Result<String> {
        let body = json!({
            "type": "command", "key": format!("life-{number}"), "max_attempts": 10,
            "data": {"program": "work", "args": [self.script]},
        });
        let deadline = Instant::now() + SHOWS;
        loop {
            match post(self.port, "/api/jobs", &body).await {
                Ok((200 | 202, record)) => return Ok(record["id"].as_str().context("an id")?.to_owned()),
                other => ensure!(Instant::now() < deadline, "it is not accepted: {other:?}"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn subscribe(&self, topic: &str) -> Result<Follower> {
        let deadline = Instant::now() + SHOWS;
        loop {
            match Follower::start(&self.url, topic).await {
                Ok(follower) => return Ok(follower),
                Err(error) => ensure!(Instant::now() < deadline, "it cannot be followed: {error:#}"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn follow(&self, id: &str) -> Result<Life> {
        let mut follower = self.subscribe(&format!("job:{id}")).await?;
        let mut last = json!({ "job": follower.snapshot.clone().unwrap_or_default() });
        self.note(id, &last);
        while !job::is_over(&last) {
            match follower.next().await? {
                Event::Entry(entry) => {
                    self.note(id, &entry);
                    last = entry;
                }
                Event::Back { recovered: true } => {}
                other => bail!("after offset {}: {other:?}", follower.offset()),
            }
        }
        self.ledger.end(id);
        if !follower.entries.is_empty() {
            job::audit(&follower.entries)?;
        }
        Ok(Life {
            id: id.to_owned(),
            state: last["job"]["state"].as_str().unwrap_or_default().to_owned(),
            offset: follower.offset(),
            entries: follower.entries.len(),
            reconnects: follower.reconnects,
        })
    }

    fn note(&self, id: &str, push: &Value) {
        if push["job"]["state"] == "running" {
            let attempt = push["job"]["attempt"].as_u64().unwrap_or(0);
            self.ledger.running(id, attempt);
        }
    }
}
