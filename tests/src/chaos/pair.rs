//! Two Redis servers, a primary and its replica, behind the proxy: the faults of Redis and of the way to
//! it. While it waits it reads the logs themselves, past the product, for the auditor.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use tidegate_shared::testing::{RedisServer, Reply};
use tokio::time::{Instant, sleep};

use super::book::Book;
use super::plan::{RedisFault, Step};
use super::proxy::{Proxy, Way};
use super::told;
use super::truth::Place;
use crate::{ports, wait};

/// Between two looks at the logs.
const LOOK: Duration = Duration::from_millis(250);
/// Entries of a log that are looked at.
const ENTRIES: &str = "-120";
/// Between two questions to a server that reads its data.
const LOADING: Duration = Duration::from_millis(50);
const SOON: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub struct Pair {
    pub proxy: Proxy,
    servers: [RedisServer; 2],
    primary: usize,
    topics: Vec<String>,
    book: Arc<Book>,
}

impl Pair {
    pub async fn start(topics: &[String], book: Arc<Book>) -> Result<Self> {
        let arguments = [
            "--appendonly",
            "yes",
            "--appendfsync",
            // Written before it is acknowledged; what the kernel has survives a SIGKILL. With `everysec` a
            // write may wait for the disk, and what was acknowledged meanwhile would be lost.
            "no",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let servers = [
            RedisServer::start_with(&arguments).await?,
            RedisServer::start_with(&arguments).await?,
        ];
        let pair = Self {
            proxy: Proxy::start(ports::free()?, servers[0].port()).await?,
            servers,
            primary: 0,
            topics: topics.to_vec(),
            book,
        };
        pair.replicate().await?;
        Ok(pair)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.proxy.port)
    }

    fn primary(&self) -> &RedisServer {
        &self.servers[self.primary]
    }

    fn replica(&self) -> &RedisServer {
        &self.servers[1 - self.primary]
    }

    /// Makes the other one a replica, and waits until it is level.
    async fn replicate(&self) -> Result<()> {
        let port = self.primary().port().to_string();
        ask(self.replica(), &["REPLICAOF", "127.0.0.1", &port]).await?;
        self.level().await
    }

    async fn level(&self) -> Result<()> {
        wait::until(SOON, "the replica to follow", async || {
            let info = ask(self.replica(), &["INFO", "replication"]).await?.to_string();
            Ok(info.contains("master_link_status:up").then_some(()))
        })
        .await
    }

    /// Does what the plan says, and leaves everything in order.
    pub async fn run(&mut self, steps: &[Step<RedisFault>]) -> Result<()> {
        for step in steps {
            self.watch(step.pause).await?;
            self.book.fault(step.fault.kind(), format!("{:?}", step.fault));
            if step.fault.loses_data() {
                self.book.losing_data();
            }
            self.suffer(step.fault)
                .await
                .with_context(|| format!("{:?}", step.fault))?;
            if step.fault.loses_data() {
                self.book.lost_data();
            }
            self.book.remark(&format!("{} is over", step.fault.kind()));
        }
        Ok(())
    }

    async fn suffer(&mut self, fault: RedisFault) -> Result<()> {
        match fault {
            RedisFault::KillPubsub => self.kill_clients("pubsub").await?,
            RedisFault::KillNormal => self.kill_clients("normal").await?,
            RedisFault::Pause { length } => {
                self.primary().pause()?;
                sleep(Duration::from_millis(length)).await;
                self.primary().resume()?;
            }
            RedisFault::RestartEmpty { away } => self.restart(away, true).await?,
            RedisFault::RestartKept { away } => self.restart(away, false).await?,
            RedisFault::Stall { length } => self.way(Way::Stalled, length).await?,
            RedisFault::Deafen { length } => self.way(Way::Deaf, length).await?,
            RedisFault::Cut => self.proxy.cut(),
            RedisFault::HalfClose => self.proxy.half_close(),
            RedisFault::Refuse { length } => {
                self.proxy.set(Way::Refused);
                self.proxy.cut();
                self.watch(length).await?;
                self.proxy.set(Way::Open);
            }
            RedisFault::Failover { lost } => {
                self.promote(lost).await?;
                self.proxy.set(Way::Refused);
                self.proxy.cut();
                self.demote_old().await?;
                self.proxy.set(Way::Open);
            }
            RedisFault::Split { lost, length } => {
                self.promote(lost).await?;
                self.proxy.lead_to(self.replica().port());
                // Half of what there is has to come again, and finds the other server.
                self.kill_clients("pubsub").await?;
                self.watch(length).await?;
                self.proxy.set(Way::Refused);
                self.proxy.cut();
                self.demote_old().await?;
                self.proxy.set(Way::Open);
            }
        }
        Ok(())
    }

    async fn kill_clients(&self, kind: &str) -> Result<()> {
        ask(self.primary(), &["CLIENT", "KILL", "TYPE", kind]).await?;
        Ok(())
    }

    async fn way(&self, way: Way, length: u64) -> Result<()> {
        self.proxy.set(way);
        self.watch(length).await?;
        self.proxy.set(Way::Open);
        Ok(())
    }

    async fn restart(&mut self, away: u64, empty: bool) -> Result<()> {
        self.look().await?;
        self.proxy.set(Way::Refused);
        let primary = self.primary;
        self.servers[primary].kill();
        self.proxy.cut();
        sleep(Duration::from_millis(away)).await;
        self.servers[primary].restart().await?;
        if empty {
            ask(self.primary(), &["FLUSHALL"]).await?;
            let keys = ask(self.primary(), &["DBSIZE"]).await?;
            ensure!(keys.integer() == Some(0), "{keys} keys after FLUSHALL");
        }
        self.proxy.set(Way::Open);
        self.level().await
    }

    /// The replica goes its own way, and the primary goes on for a while.
    async fn promote(&self, lost: u64) -> Result<()> {
        ask(self.replica(), &["REPLICAOF", "NO", "ONE"]).await?;
        self.watch(lost).await
    }

    /// The old primary dies and becomes the replica of the new one, without anything of its own.
    async fn demote_old(&mut self) -> Result<()> {
        self.look().await?;
        let old = self.primary;
        self.servers[old].kill();
        self.primary = 1 - old;
        self.proxy.lead_to(self.primary().port());
        self.servers[old].restart().await?;
        self.replicate().await
    }

    /// Waits, and reads the logs meanwhile.
    async fn watch(&self, milliseconds: u64) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(milliseconds);
        loop {
            self.look().await?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(LOOK)).await;
        }
    }

    /// Reads the newest entries of every log on both servers.
    pub async fn look(&self) -> Result<()> {
        for server in &self.servers {
            for topic in &self.topics {
                let key = format!("tg:{{t:{topic}}}:log");
                let log = ask(server, &["LRANGE", &key, ENTRIES, "-1"]).await?;
                for entry in log.items() {
                    self.note(topic, &entry.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// The map of a state topic, past the product; `None` while keys of it are still to end.
    pub async fn map(&self, topic: &str) -> Result<Option<Map<String, Value>>> {
        let ends = ask(self.primary(), &["ZCARD", &format!("tg:{{t:{topic}}}:ends")]).await?;
        if ends.integer() != Some(0) {
            return Ok(None);
        }
        let list = ask(self.primary(), &["HGETALL", &format!("tg:{{t:{topic}}}:state")]).await?;
        let mut map = Map::new();
        for pair in list.items().chunks_exact(2) {
            map.insert(pair[0].to_string(), serde_json::from_str(&pair[1].to_string())?);
        }
        Ok(Some(map))
    }

    fn note(&self, topic: &str, entry: &str) -> Result<()> {
        let (head, data) = entry.split_once('\n').context("an entry has two lines")?;
        let fields: Vec<&str> = head.split(' ').collect();
        let [_, kind, epoch, offset, tag, previous, _, _, name, ..] = fields[..] else {
            bail!("{topic}: what is {head:?}?");
        };
        let place = Place {
            topic: topic.to_owned(),
            epoch: epoch.to_owned(),
            offset: offset.parse()?,
            tag: tag.to_owned(),
        };
        let data = serde_json::from_str(data)?;
        let data = match kind {
            "s" => told::set(name, &data),
            "r" | "x" => told::removed(name),
            _ => data,
        };
        self.book.carries(&place, &data, "Redis' log");
        if place.offset > 1 {
            self.book.follows(&place, previous, "Redis' log");
        }
        Ok(())
    }
}

/// One answer. A server that is still reading its data is waited for.
async fn ask(server: &RedisServer, command: &[&str]) -> Result<Reply> {
    let deadline = Instant::now() + SOON;
    loop {
        let reply = server.command(command).await;
        match reply.with_context(|| format!("{command:?}"))? {
            Reply::Error(text) if text.starts_with("LOADING") && Instant::now() < deadline => {
                sleep(LOADING).await;
            }
            Reply::Error(text) => bail!("{command:?}: {text}"),
            reply => return Ok(reply),
        }
    }
}
