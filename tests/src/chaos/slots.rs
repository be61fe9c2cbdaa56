//! A Cluster of three masters: slots that move, and masters that stop or come back empty.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Map, Value};
use tidegate_shared::testing::{RedisCluster, slot_of};
use tokio::time::sleep;

use super::logs::{Logs, ask, key};
use super::plan::RedisFault;
use super::servers::Servers;
use crate::wait;

const MASTERS: usize = 3;
/// What all keys of the default queue have in common.
const JOBS: &str = "tg:{q:default:0}:";
/// For what servers have to agree about, on a busy machine.
const SOON: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub struct Slots {
    redis: RedisCluster,
    logs: Logs,
    /// Which master has its turn to suffer.
    turn: usize,
}

impl Slots {
    pub async fn start(logs: Logs) -> Result<Self> {
        Ok(Self {
            redis: RedisCluster::start().await?,
            logs,
            turn: 0,
        })
    }

    async fn kill_clients(&self, kind: &str) -> Result<()> {
        for server in self.redis.masters() {
            ask(server, &["CLIENT", "KILL", "TYPE", kind]).await?;
        }
        Ok(())
    }

    /// Half-way for so long: new keys are taken by the one, and old ones served by the other.
    async fn migrate(&self, which: usize, length: u64) -> Result<()> {
        // Every third time that of all jobs.
        let slot = if which.is_multiple_of(3) {
            slot_of(JOBS)
        } else {
            slot_of(&key(&self.logs.topics[which % self.logs.topics.len()], "log"))
        };
        let from = self.redis.owner(slot).await?;
        let to = (from + 1 + which % (MASTERS - 1)) % MASTERS;
        if length > 0 {
            let (source, target) = (&self.redis.masters()[from], &self.redis.masters()[to]);
            let number = slot.to_string();
            let id = ask(source, &["CLUSTER", "MYID"]).await?.to_string();
            ask(target, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &id]).await?;
            let id = ask(target, &["CLUSTER", "MYID"]).await?.to_string();
            ask(source, &["CLUSTER", "SETSLOT", &number, "MIGRATING", &id]).await?;
            self.watch(length).await?;
        }
        // A master that was restarted is not ready at once, and connections to it are found broken.
        wait::until(SOON, "a slot to move", async || {
            Ok(Some(self.redis.move_slot(slot, to).await?))
        })
        .await
    }

    /// Waits until all masters say that all slots are served.
    async fn whole(&self) -> Result<()> {
        for server in self.redis.masters() {
            wait::until(SOON, "the Cluster to be whole", async || {
                let info = ask(server, &["CLUSTER", "INFO"]).await?.to_string();
                Ok(info.contains("cluster_state:ok").then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}

impl Servers for Slots {
    fn url(&self) -> String {
        self.redis.url()
    }

    async fn suffer(&mut self, fault: RedisFault) -> Result<()> {
        self.turn = (self.turn + 1) % MASTERS;
        match fault {
            RedisFault::KillPubsub => self.kill_clients("pubsub").await?,
            RedisFault::KillNormal => self.kill_clients("normal").await?,
            RedisFault::Pause { length } => {
                let master = &self.redis.masters()[self.turn];
                master.pause()?;
                sleep(Duration::from_millis(length)).await;
                master.resume()?;
            }
            RedisFault::RestartEmpty { away } => {
                self.look().await?;
                let master = self.redis.master_mut(self.turn);
                master.kill();
                sleep(Duration::from_millis(away)).await;
                master.restart().await?;
                self.whole().await?;
            }
            RedisFault::Migrate { which, length } => self.migrate(which, length).await?,
            other => bail!("{other:?}: not in a Cluster"),
        }
        Ok(())
    }

    async fn look(&self) -> Result<()> {
        for server in self.redis.masters() {
            self.logs.look(server).await?;
        }
        Ok(())
    }

    async fn map(&self, topic: &str) -> Result<Option<Map<String, Value>>> {
        let server = self.redis.server_of(&key(topic, "state")).await?;
        self.logs.map(server, topic).await
    }
}
