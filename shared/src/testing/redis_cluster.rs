//! A real Redis Cluster of a test's own: masters with a share of the slots each, and a replica for each if
//! wanted. Slots can be moved, and every server can be killed, paused and restarted. Made by commands;
//! relies on nothing but `redis-server`.
//!
//! A new Cluster takes two seconds until it accepts writes: Redis makes masters wait that long.

use std::io;

use super::{RedisServer, Reply, command, has_line, wait_until};

const SLOTS: usize = 16_384;

#[derive(Debug)]
pub struct RedisCluster {
    /// The masters first, then a replica of each, if there are any.
    servers: Vec<RedisServer>,
    masters: usize,
}

impl RedisCluster {
    /// Three masters. They give each other fifteen seconds, so that a busy machine changes nothing; and when
    /// one is gone, the others serve their slots.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(0, &["--cluster-require-full-coverage", "no"]).await
    }

    /// Three masters with a replica each, which takes over when its master has not answered for two seconds.
    pub async fn start_with_replicas() -> io::Result<Self> {
        let arguments = [
            "--cluster-node-timeout",
            "2000",
            "--repl-diskless-sync-delay",
            "0",
        ];
        Self::start_with(3, &arguments).await
    }

    async fn start_with(replicas: usize, arguments: &[&str]) -> io::Result<Self> {
        let mut attempts = 5;
        loop {
            let mut cluster = Self::absent(3, arguments)?;
            for _ in 0..replicas {
                cluster.servers.push(RedisServer::absent_in_cluster(arguments)?);
            }
            match cluster.form().await {
                // One of the ports may have been taken meanwhile.
                Err(error) if error.kind() != io::ErrorKind::NotFound && attempts > 0 => attempts -= 1,
                Err(error) => return Err(error),
                Ok(()) => return Ok(cluster),
            }
        }
    }

    /// Masters that are not running yet; [`form`](Self::form) starts them.
    pub fn absent(masters: usize, arguments: &[&str]) -> io::Result<Self> {
        let servers = (0..masters).map(|_| RedisServer::absent_in_cluster(arguments));
        Ok(Self {
            servers: servers.collect::<io::Result<_>>()?,
            masters,
        })
    }

    /// Starts all servers, and makes a Cluster of them that serves all slots.
    pub async fn form(&mut self) -> io::Result<()> {
        for server in &mut self.servers {
            server.restart().await?;
        }
        let share = SLOTS.div_ceil(self.masters);
        for (index, server) in self.masters().iter().enumerate() {
            let first = (index * share).to_string();
            let last = ((index + 1) * share).min(SLOTS) - 1;
            command(server, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await?;
            command(server, &["CLUSTER", "ADDSLOTSRANGE", &first, &last.to_string()]).await?;
        }
        for server in &self.servers[1..] {
            let port = server.port().to_string();
            let bus = config(server, "cluster-port").await?;
            command(&self.servers[0], &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await?;
        }
        let known = format!("cluster_known_nodes:{}", self.servers.len());
        self.all("the servers to know each other", &["CLUSTER", "INFO"], &known)
            .await?;
        for (master, replica) in self.masters().iter().zip(&self.servers[self.masters..]) {
            let id = id(master).await?;
            wait_until("a replica to know its master", || async {
                let answer = replica.command(&["CLUSTER", "REPLICATE", &id]).await?;
                Ok(!matches!(answer, Reply::Error(_)))
            })
            .await?;
        }
        self.all(
            "the Cluster to be ready",
            &["CLUSTER", "INFO"],
            "cluster_state:ok",
        )
        .await?;
        for server in &self.servers {
            // What is published at a server goes only to those that it has a link to.
            wait_until("the servers to be linked", || async {
                let nodes = command(server, &["CLUSTER", "NODES"]).await?.to_string();
                let is_linked = |line: &str| !line.contains("handshake") && !line.contains("disconnected");
                Ok(nodes.lines().count() == self.servers.len() && nodes.lines().all(is_linked))
            })
            .await?;
        }
        for replica in &self.servers[self.masters..] {
            wait_until("a replica to be in step", || async {
                let info = command(replica, &["INFO", "replication"]).await?;
                Ok(has_line(&info, "master_link_status:up"))
            })
            .await?;
        }
        Ok(())
    }

    /// As `--redis-url` takes it, with the masters.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .masters()
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.port()))
            .collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// Those that began as masters, in the order of their slots.
    pub fn masters(&self) -> &[RedisServer] {
        &self.servers[..self.masters]
    }

    /// One that began as a master, to be killed or restarted.
    pub fn master_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.servers[index]
    }

    /// The replica that a master began with.
    pub fn replica(&self, index: usize) -> &RedisServer {
        &self.servers[self.masters + index]
    }

    /// All servers: masters, then replicas.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The index, among all servers, of the master that serves a slot, as the servers that run say.
    pub async fn owner(&self, slot: u16) -> io::Result<usize> {
        let mut answered = None;
        for server in &self.servers {
            if server.pid().is_some()
                && let Ok(reply @ Reply::Array(_)) = server.command(&["CLUSTER", "SLOTS"]).await
            {
                answered = Some(reply);
                break;
            }
        }
        let slots = answered.ok_or_else(|| io::Error::other("no server of the Cluster answers"))?;
        for range in slots.items() {
            let number = |at: usize| range.items().get(at).and_then(Reply::integer);
            let (Some(first), Some(last)) = (number(0), number(1)) else {
                continue;
            };
            if (first..=last).contains(&i64::from(slot)) {
                let port = range
                    .items()
                    .get(2)
                    .and_then(|master| master.items().get(1)?.integer());
                let found = self
                    .servers
                    .iter()
                    .position(|server| Some(i64::from(server.port())) == port);
                return found.ok_or_else(|| io::Error::other(format!("slot {slot} is on a stranger")));
            }
        }
        Err(io::Error::other(format!("nobody serves slot {slot}")))
    }

    /// The server that serves a key or channel.
    pub async fn server_of(&self, key: &str) -> io::Result<&RedisServer> {
        Ok(&self.servers[self.owner(slot_of(key)).await?])
    }

    /// Moves a slot with all its keys, as `redis-cli --cluster reshard` does. `to` is an index among all
    /// servers. Nothing happens if it is there already.
    pub async fn move_slot(&self, slot: u16, to: usize) -> io::Result<()> {
        let from = self.owner(slot).await?;
        if from == to {
            return Ok(());
        }
        let (source, target) = (&self.servers[from], &self.servers[to]);
        let (source_id, target_id) = (id(source).await?, id(target).await?);
        let (slot, port) = (slot.to_string(), target.port().to_string());
        command(target, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).await?;
        command(source, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).await?;
        loop {
            let keys = command(source, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await?;
            let keys: Vec<String> = keys.items().iter().map(Reply::to_string).collect();
            if keys.is_empty() {
                break;
            }
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "2000", "KEYS"];
            migrate.extend(keys.iter().map(String::as_str));
            command(source, &migrate).await?;
        }
        command(target, &["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await?;
        command(source, &["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await?;
        for (index, other) in self.servers.iter().enumerate() {
            // The rest learn it by gossip; replicas may not be told.
            if index != from && index != to && other.pid().is_some() {
                let _ = other
                    .command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id])
                    .await;
            }
        }
        Ok(())
    }

    async fn all(&self, what: &str, question: &[&str], line: &str) -> io::Result<()> {
        for server in &self.servers {
            wait_until(what, || async {
                Ok(has_line(&command(server, question).await?, line))
            })
            .await?;
        }
        Ok(())
    }
}

async fn id(server: &RedisServer) -> io::Result<String> {
    Ok(command(server, &["CLUSTER", "MYID"]).await?.to_string())
}

async fn config(server: &RedisServer, name: &str) -> io::Result<String> {
    let answer = command(server, &["CONFIG", "GET", name]).await?;
    Ok(answer.items().get(1).map(Reply::to_string).unwrap_or_default())
}

/// The slot of a key or channel: CRC16 (XMODEM) of what is in its first braces, or of all of it.
pub fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag });
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    });
    crc % 16_384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // From CLUSTER KEYSLOT.
        assert_eq!(slot_of("123456789"), 12_739);
        assert_eq!(slot_of("foo"), 12_182);
        assert_eq!(slot_of("tg:{foo}:log"), 12_182);
    }

    #[tokio::test]
    async fn a_slot_moves_with_its_keys() {
        let cluster = RedisCluster::start().await.expect("a Cluster");
        let slot = slot_of("foo");
        let from = cluster.owner(slot).await.expect("an owner");
        let asked = cluster.masters()[from].command(&["SET", "foo", "1"]).await;
        assert_eq!(asked.expect("answer").to_string(), "OK");
        let to = (from + 1) % 3;
        cluster.move_slot(slot, to).await.expect("moved");
        assert_eq!(cluster.owner(slot).await.expect("an owner"), to);
        let asked = cluster.server_of("foo").await.expect("an owner");
        assert_eq!(
            asked.command(&["GET", "foo"]).await.expect("answer").to_string(),
            "1"
        );
    }
}
