//! A measurement: one reader of a thousand stops reading, while publishers go as fast as the others take
//! it. The others must lose nothing, and the node must not grow; latencies are told side by side.
//!
//! Asserts no time. Linux only, as it asks the kernel how much memory the node has.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate_shared::testing::RedisServer;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::latency::Latencies;
use super::nodes::Nodes;
use super::reader::{Heard, Reader};
use crate::client::Client;
use crate::wait;

/// Publications that are on their way at the same time.
const WINDOW: u64 = 4;
const PAYLOAD: usize = 1_000;
/// For one publication to come to everybody, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the node may have more than before, with a thousand readers: the stalled one's outbox is 256 KiB,
/// the rest is what an allocator keeps.
const GROWTH: u64 = 24 << 20;
const POLICIES: [&str; 3] = ["close", "latest", "catch-up"];

const SETTINGS: &str = "[limits]
commands_per_second = 0
outbox = \"256KiB\"
ping = \"10m\"
pong_timeout = \"10m\"
connections = 4000

[[namespace]]
name = \"close\"
log_size = 500

[[namespace]]
name = \"latest\"
log_size = 500
slow = \"latest\"

[[namespace]]
name = \"catch-up\"
log_size = 500
slow = \"catch-up\"
";

#[derive(Debug)]
pub struct Options {
    pub readers: u64,
    /// Of each of the phases.
    pub length: Duration,
}

/// Runs it, writes `stalled.json`, and gives what is in it.
pub async fn measure(options: &Options, folder: &Path) -> Result<Value> {
    let redis = RedisServer::start().await?;
    let nodes = Nodes::start(1, &redis.url(), SETTINGS, Arc::new(Book::default())).await?;
    let mut report = json!({ "readers": options.readers, "payload_bytes": PAYLOAD });
    for policy in POLICIES {
        let outcome = one(options, &nodes, policy).await;
        report[policy] = outcome.with_context(|| format!("{policy}\n{}", nodes.logs()))?;
    }
    std::fs::create_dir_all(folder)?;
    std::fs::write(
        folder.join("stalled.json"),
        serde_json::to_string_pretty(&report)?,
    )?;
    Ok(report)
}

/// Four phases with one policy: without the stalled reader, with it, and both again.
async fn one(options: &Options, nodes: &Nodes, policy: &str) -> Result<Value> {
    let topic = format!("{policy}:0");
    let port = nodes.doors().gateways[0];
    let stop = CancellationToken::new();
    let heard = Arc::new(Heard::new(options.readers - 1));
    let mut readers = JoinSet::new();
    for _ in 1..options.readers {
        let reader = Reader::start(port, &topic).await?;
        readers.spawn(reader.run(heard.clone(), stop.clone()));
    }
    let mut publisher = Publisher {
        client: Client::connect(&format!("ws://127.0.0.1:{port}/ws")).await?,
        topic: topic.clone(),
        heard: heard.clone(),
        pid: nodes.pid(0),
        published: 0,
    };
    let warming = publisher.phase(options.length / 4).await?;
    let mut phases = Vec::new();
    let mut stalled = Vec::new();
    for round in 0..2 {
        phases.push(publisher.phase(options.length).await?);
        if round == 0 {
            stalled.push(Reader::start(port, &topic).await?);
        }
        phases.push(publisher.phase(options.length).await?);
    }
    let last = publisher.published;
    let end = stalled.remove(0).read_on(policy, last, PATIENCE).await?;
    stop.cancel();
    while let Some(ended) = readers.join_next().await {
        ended.context("a reader")??;
    }
    let before = phases[0].memory.max(warming.memory);
    let most = phases.iter().map(|phase| phase.memory).max().unwrap_or_default();
    let report = json!({
        "publications": last,
        "without": phases[0].json(),
        "with": phases[1].json(),
        "with_again_first_half": phases[2].json(),
        "with_again_second_half": phases[3].json(),
        "what_became_of_the_stalled_reader": end,
        "memory_growth_bytes": most.saturating_sub(before),
    });
    ensure!(
        most <= before + GROWTH,
        "the node grew from {before} to {most} bytes: {report:#}"
    );
    Ok(report)
}

#[derive(Debug)]
struct Phase {
    took: Duration,
    publications: u64,
    latencies: Latencies,
    /// The most that the node had resident.
    memory: u64,
}

impl Phase {
    fn json(&self) -> Value {
        json!({
            "seconds": self.took.as_secs_f64(),
            "publications": self.publications,
            "deliveries": self.latencies.count(),
            "p50_ms": self.latencies.quantile(0.5).as_secs_f64() * 1e3,
            "p99_ms": self.latencies.quantile(0.99).as_secs_f64() * 1e3,
            "resident_bytes": self.memory,
        })
    }
}

struct Publisher {
    client: Client,
    topic: String,
    heard: Arc<Heard>,
    pid: u32,
    published: u64,
}

impl Publisher {
    /// Publishes for so long, each when all but the last few before it have come to everybody.
    async fn phase(&mut self, length: Duration) -> Result<Phase> {
        let started = Instant::now();
        let first = self.published;
        let mut memory = 0;
        while started.elapsed() < length {
            self.publish().await?;
            self.level(self.published.saturating_sub(WINDOW)).await?;
            memory = memory.max(resident(self.pid)?);
        }
        self.level(self.published).await?;
        Ok(Phase {
            took: started.elapsed(),
            publications: self.published - first,
            latencies: self.heard.take_latencies(),
            memory: memory.max(resident(self.pid)?),
        })
    }

    async fn publish(&mut self) -> Result<()> {
        let data = json!({ "at": self.heard.now(), "padding": "x".repeat(PAYLOAD) });
        let reply = self.client.publish(&self.topic, data).await?;
        self.published += 1;
        ensure!(reply["offset"] == self.published, "{reply}");
        Ok(())
    }

    /// Waits until everybody has this offset.
    async fn level(&self, offset: u64) -> Result<()> {
        let waiting = timeout(PATIENCE, self.heard.all_have(offset));
        let heard = waiting
            .await
            .with_context(|| format!("not everybody has offset {offset} after {PATIENCE:?}"));
        heard?
    }
}

/// What the kernel says the process has in memory.
fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let text = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(text.parse::<u64>()? * 1024)
}

impl Reader {
    /// Reads at last, and says what came. Everything must be accounted for, as its topic's policy says.
    async fn read_on(self, policy: &str, last: u64, limit: Duration) -> Result<Value> {
        let mut reader = self;
        let mut entries = 0_u64;
        let mut left_out = 0_u64;
        let reading = async {
            loop {
                let Some(frame) = reader.frame().await? else {
                    return anyhow::Ok(false);
                };
                match frame["type"].as_str() {
                    Some("message") => {
                        entries += 1;
                        left_out += frame["skipped"].as_u64().unwrap_or_default();
                    }
                    Some("lagged") => {
                        let (from, to) = (frame["from"].as_u64(), frame["to"].as_u64());
                        left_out += to.context("to")? - from.context("from")? + 1;
                    }
                    _ => continue,
                }
                if frame["offset"].as_u64() == Some(last) {
                    return Ok(true);
                }
            }
        };
        let came_level = wait::within(limit, "the stalled reader's end or the last offset", reading).await?;
        ensure!(came_level || policy == "close", "{policy}: it was sent away");
        let missing = last - reader.joined_at();
        ensure!(
            !came_level || entries + left_out == missing,
            "{entries} came and {left_out} were told to be left out, of {missing}"
        );
        Ok(json!({ "came": entries, "told_to_be_left_out": left_out, "came_level": came_level }))
    }
}
