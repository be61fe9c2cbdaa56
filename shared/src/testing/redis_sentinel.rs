//! A real master with a replica, watched by real Sentinels, which make the replica the master when the
//! master is gone. Relies on nothing but `redis-server`.

use std::io;
use std::time::Duration;

use super::{RedisServer, Reply, command, has_line, wait_until};

/// What the Sentinels call it.
const SERVICE: &str = "mymaster";

#[derive(Debug)]
pub struct RedisSentinel {
    servers: [RedisServer; 2],
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// One Sentinel, which gives the master a second and a half.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(1).await
    }

    /// So many Sentinels, of which most must agree.
    pub async fn start_with(sentinels: usize) -> io::Result<Self> {
        let first = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]).await?;
        let of = format!("127.0.0.1 {}", first.port());
        let second =
            RedisServer::start_with(&["--repl-diskless-sync-delay", "0", "--replicaof", &of]).await?;
        let mut all = Self {
            servers: [first, second],
            sentinels: Vec::new(),
        };
        all.in_step(1).await?;
        let quorum = (sentinels / 2 + 1).to_string();
        let port = all.servers[0].port().to_string();
        for _ in 0..sentinels {
            let sentinel = RedisServer::start_sentinel().await?;
            command(
                &sentinel,
                &["SENTINEL", "MONITOR", SERVICE, "127.0.0.1", &port, &quorum],
            )
            .await?;
            let settings = [
                ("down-after-milliseconds", "1500"),
                ("failover-timeout", "6000"),
                ("parallel-syncs", "1"),
            ];
            for (name, value) in settings {
                command(&sentinel, &["SENTINEL", "SET", SERVICE, name, value]).await?;
            }
            all.sentinels.push(sentinel);
        }
        for sentinel in &all.sentinels {
            wait_until("a Sentinel to know the replica and the others", || async {
                let replicas = command(sentinel, &["SENTINEL", "REPLICAS", SERVICE]).await?;
                let others = command(sentinel, &["SENTINEL", "SENTINELS", SERVICE]).await?;
                let ready = replicas.items().len() == 1
                    && field(&replicas.items()[0], "flags").is_some_and(|flags| flags == "slave")
                    && field(&replicas.items()[0], "master-link-status").is_some_and(|status| status == "ok");
                Ok(ready && others.items().len() == sentinels - 1)
            })
            .await?;
        }
        Ok(all)
    }

    /// As `--redis-url` takes it.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
            .collect();
        format!("redis-sentinel://{}/{SERVICE}", hosts.join(","))
    }

    /// The one that began as master is 0, its replica 1.
    pub fn server(&self, index: usize) -> &RedisServer {
        &self.servers[index]
    }

    pub fn server_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.servers[index]
    }

    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The index of the server that the first Sentinel says is the master.
    pub async fn master(&self) -> io::Result<usize> {
        let answer = command(
            &self.sentinels[0],
            &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE],
        )
        .await?;
        let port = answer.items().get(1).map(Reply::to_string).unwrap_or_default();
        let found = self
            .servers
            .iter()
            .position(|server| server.port().to_string() == port);
        found.ok_or_else(|| io::Error::other("the Sentinel names a stranger"))
    }

    /// How long the master must have been silent before the Sentinels take it for dead; 1.5 s unless this says
    /// otherwise.
    pub async fn set_patience(&self, silence: Duration) -> io::Result<()> {
        let milliseconds = silence.as_millis().to_string();
        for sentinel in &self.sentinels {
            let setting = [
                "SENTINEL",
                "SET",
                SERVICE,
                "down-after-milliseconds",
                &milliseconds,
            ];
            command(sentinel, &setting).await?;
        }
        Ok(())
    }

    /// Has the replica made the master though nothing is wrong, and waits until the Sentinels say so.
    pub async fn fail_over(&self) -> io::Result<usize> {
        let before = self.master().await?;
        command(&self.sentinels[0], &["SENTINEL", "FAILOVER", SERVICE]).await?;
        self.changed_from(before).await
    }

    /// Waits until another server is the master.
    pub async fn changed_from(&self, before: usize) -> io::Result<usize> {
        let now = 1 - before;
        wait_until("a failover", || async {
            let role = match self.servers[now].command(&["INFO", "replication"]).await {
                Ok(info) => has_line(&info, "role:master"),
                // It may be paused.
                Err(_) => false,
            };
            Ok(role && self.master().await? == now)
        })
        .await?;
        Ok(now)
    }

    /// Makes the replica miss everything that is written from now on: it is paused, and the master gives up
    /// the connection to it. Resume it to have it found again.
    pub async fn cut_off(&self, replica: usize) -> io::Result<()> {
        self.servers[replica].pause()?;
        command(&self.servers[1 - replica], &["CLIENT", "KILL", "TYPE", "replica"]).await?;
        Ok(())
    }

    /// Waits until a replica has what its master has.
    pub async fn in_step(&self, replica: usize) -> io::Result<()> {
        wait_until("the replica to be in step", || async {
            let theirs = command(&self.servers[1 - replica], &["INFO", "replication"]).await?;
            let ours = command(&self.servers[replica], &["INFO", "replication"]).await?;
            let offset = |info: &Reply, name: &str| {
                let text = info.to_string();
                let mut lines = text.lines();
                lines.find_map(|line| line.trim_end().strip_prefix(name)?.parse::<u64>().ok())
            };
            let there = offset(&theirs, "master_repl_offset:");
            let here = offset(&ours, "slave_repl_offset:");
            Ok(has_line(&ours, "master_link_status:up") && there.is_some() && there == here)
        })
        .await
    }
}

/// A field of a Sentinel's answer: names and values in turn.
fn field(reply: &Reply, name: &str) -> Option<String> {
    let items = reply.items().chunks_exact(2);
    let mut found = items.filter(|pair| pair[0].to_string() == name);
    found.next().map(|pair| pair[1].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failover_makes_the_replica_the_master() {
        let redis = RedisSentinel::start().await.expect("a master and a replica");
        let set = redis.server(0).command(&["SET", "a", "1"]).await;
        assert_eq!(set.expect("answer").to_string(), "OK");
        redis.in_step(1).await.expect("in step");
        assert_eq!(redis.fail_over().await.expect("a failover"), 1);
        let get = redis.server(1).command(&["GET", "a"]).await;
        assert_eq!(get.expect("answer").to_string(), "1");
    }
}
