//! A master and its replica under a Sentinel: the faults that lead to a failover, and those that must not.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Map, Value};
use tidegate_shared::testing::{RedisSentinel, RedisServer};
use tokio::time::sleep;

use super::logs::{Logs, ask};
use super::plan::RedisFault;
use super::servers::Servers;

/// For the faults that are to lead to a failover.
const HASTY: Duration = Duration::from_millis(1_500);
/// For all others. A machine that is busy for a while must not make a failover of a pause: it would lose
/// what the plan does not know of.
const PATIENT: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub struct Watched {
    redis: RedisSentinel,
    master: usize,
    logs: Logs,
}

impl Watched {
    pub async fn start(logs: Logs) -> Result<Self> {
        let redis = RedisSentinel::start().await?;
        redis.set_patience(PATIENT).await?;
        let master = redis.master().await?;
        Ok(Self { redis, master, logs })
    }

    fn primary(&self) -> &RedisServer {
        self.redis.server(self.master)
    }

    /// The other one has become the master; what was it before follows.
    async fn changed(&mut self) -> Result<()> {
        let old = self.master;
        self.master = self.redis.changed_from(old).await?;
        if self.redis.server(old).pid().is_none() {
            self.redis.server_mut(old).restart().await?;
        }
        // The Sentinel would do the same, some seconds later.
        let port = self.primary().port().to_string();
        ask(self.redis.server(old), &["REPLICAOF", "127.0.0.1", &port]).await?;
        Ok(self.redis.in_step(old).await?)
    }
}

impl Servers for Watched {
    fn url(&self) -> String {
        self.redis.url()
    }

    async fn suffer(&mut self, fault: RedisFault) -> Result<()> {
        let old = self.master;
        match fault {
            RedisFault::KillPubsub => {
                ask(self.primary(), &["CLIENT", "KILL", "TYPE", "pubsub"]).await?;
            }
            RedisFault::KillNormal => {
                ask(self.primary(), &["CLIENT", "KILL", "TYPE", "normal"]).await?;
            }
            RedisFault::Pause { length } => {
                self.primary().pause()?;
                sleep(Duration::from_millis(length)).await;
                self.primary().resume()?;
            }
            RedisFault::Handover => {
                self.redis.fail_over().await?;
                self.changed().await?;
            }
            // The replica misses what the master still takes, and then the master dies.
            RedisFault::Failover { lost } => {
                self.redis.cut_off(1 - old).await?;
                sleep(Duration::from_millis(lost)).await;
                self.logs.look(self.primary()).await?;
                self.redis.server_mut(old).kill();
                self.redis.server(1 - old).resume()?;
                self.redis.set_patience(HASTY).await?;
                self.changed().await?;
                self.redis.set_patience(PATIENT).await?;
            }
            // As before, but the old master is only stopped, and goes on for a while.
            RedisFault::Split { lost, length } => {
                self.redis.cut_off(1 - old).await?;
                sleep(Duration::from_millis(lost)).await;
                self.logs.look(self.primary()).await?;
                self.primary().pause()?;
                self.redis.server(1 - old).resume()?;
                self.redis.set_patience(HASTY).await?;
                self.master = self.redis.changed_from(old).await?;
                self.redis.set_patience(PATIENT).await?;
                self.redis.server(old).resume()?;
                sleep(Duration::from_millis(length)).await;
                self.master = old;
                self.changed().await?;
            }
            other => bail!("{other:?}: not under a Sentinel"),
        }
        Ok(())
    }

    async fn look(&self) -> Result<()> {
        for index in 0..2 {
            self.logs.look(self.redis.server(index)).await?;
        }
        Ok(())
    }

    async fn map(&self, topic: &str) -> Result<Option<Map<String, Value>>> {
        self.logs.map(self.primary(), topic).await
    }
}
