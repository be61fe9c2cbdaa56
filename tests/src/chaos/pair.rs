//! Two Redis servers, a primary and its replica, behind the proxy: the faults of Redis and of the way to
//! it.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::{Map, Value};
use tidegate_shared::testing::RedisServer;
use tokio::time::sleep;

use super::logs::{Logs, ask};
use super::plan::RedisFault;
use super::proxy::{Proxy, Way};
use super::servers::Servers;
use crate::{ports, wait};

const SOON: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub struct Pair {
    pub proxy: Proxy,
    servers: [RedisServer; 2],
    primary: usize,
    logs: Logs,
}

impl Pair {
    pub async fn start(logs: Logs) -> Result<Self> {
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
            logs,
        };
        pair.replicate().await?;
        Ok(pair)
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
}

impl Servers for Pair {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.proxy.port)
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
            RedisFault::Handover | RedisFault::Migrate { .. } => bail!("not with a single server"),
        }
        Ok(())
    }

    async fn look(&self) -> Result<()> {
        for server in &self.servers {
            self.logs.look(server).await?;
        }
        Ok(())
    }

    async fn map(&self, topic: &str) -> Result<Option<Map<String, Value>>> {
        self.logs.map(self.primary(), topic).await
    }
}
