//! What to do to a server: a small TOML file.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::report::Goal;
use crate::server::Kind;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the file, and stands by itself"
)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Clients, each on one topic.
    pub(crate) clients: usize,
    /// Topics, over which clients are spread evenly.
    #[serde(default = "one")]
    pub(crate) topics: usize,
    /// Nodes of the server, which clients come to in turn. Tidegate only.
    #[serde(default = "one_node")]
    pub(crate) nodes: u32,
    /// Masters of the Redis Cluster that it is on; 0: a single Redis. Tidegate only.
    #[serde(default)]
    pub(crate) masters: u32,
    /// Connections begun per second; 0: as fast as they are answered.
    #[serde(default)]
    pub(crate) connect_rate: u32,
    /// Clients that subscribe and then never read.
    #[serde(default)]
    pub(crate) stalled: usize,
    /// Part of the clients that reconnect, each minute.
    #[serde(default)]
    pub(crate) churn: f64,
    /// Replace all nodes while messages flow, one after the other. Tidegate only.
    #[serde(default)]
    pub(crate) rollout: bool,
    /// Seconds of publishing; 0: none, and the clients are idle for `idle` seconds.
    #[serde(default)]
    pub(crate) seconds: f64,
    #[serde(default)]
    pub(crate) idle: f64,
    /// Bursts per second. They begin when they are due, whatever the server does.
    #[serde(default = "rate")]
    pub(crate) rate: f64,
    /// A burst is not sent before all of the one before have arrived, so that a server which has no time to lose does not
    /// find several at once: for what a delivery costs, and not for latency.
    #[serde(default)]
    pub(crate) lockstep: bool,
    /// Instead of `rate`: as many as take this part of the server's core.
    #[serde(default)]
    pub(crate) load: Option<f64>,
    /// Publications that are sent at once.
    #[serde(default = "one")]
    pub(crate) burst: usize,
    /// Publications of a burst are for topics in turn, and not all for one.
    #[serde(default)]
    pub(crate) spread: bool,
    /// Connections that publish, in turn, each on another node.
    #[serde(default = "one")]
    pub(crate) publishers: usize,
    /// Bytes of `data`.
    #[serde(default = "bytes")]
    pub(crate) bytes: usize,
    /// Clients offer to have messages compressed, and `data` is text worth compressing.
    #[serde(default)]
    pub(crate) deflate: bool,
    /// Clients connect with TLS.
    #[serde(default)]
    pub(crate) tls: bool,
    /// Source addresses that clients come from, in turn: 127.0.0.1 and those after it. Of a target on loopback only.
    #[serde(default = "one_address")]
    pub(crate) addresses: u8,
    /// Instead of messages: jobs, `rate` of them a second. Tidegate only.
    #[serde(default)]
    pub(crate) jobs: Option<JobPlan>,
    /// Of a comparison: only servers that say over Redis what they send, and the limit.
    #[serde(default)]
    pub(crate) on_redis: bool,
    #[serde(default, rename = "goal", skip_serializing)]
    pub(crate) goals: Vec<Goal>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobPlan {
    /// Clients that follow each job; the one that submits it is among them.
    pub(crate) followers: usize,
    /// Reports of progress that each job makes.
    pub(crate) steps: u32,
    /// Queues, `q0` and on, that jobs are submitted to in turn. All of a queue is on one master of a Cluster.
    #[serde(default = "one_queue")]
    pub(crate) queues: u64,
}

fn one_queue() -> u64 {
    1
}

fn one_address() -> u8 {
    1
}

fn one() -> usize {
    1
}

fn one_node() -> u32 {
    1
}

fn rate() -> f64 {
    10.0
}

fn bytes() -> usize {
    128
}

impl Scenario {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let scenario: Self = toml::from_str(&text).with_context(|| file.display().to_string())?;
        scenario.check().with_context(|| file.display().to_string())?;
        Ok(scenario)
    }

    /// A run ends by itself, and stays within what one machine can do.
    fn check(&self) -> Result<()> {
        ensure!((1..=100_000).contains(&self.clients), "clients: 1 to 100000");
        ensure!(
            (1..=self.clients).contains(&self.topics),
            "topics: 1 to as many as clients"
        );
        ensure!((1..=16).contains(&self.nodes), "nodes: 1 to 16");
        ensure!(self.masters <= 16, "masters: at most 16");
        ensure!(self.stalled <= self.clients, "stalled: no more than clients");
        ensure!((0.0..=60.0).contains(&self.churn), "churn: 0 to 60");
        ensure!((0.0..=3600.0).contains(&self.seconds), "seconds: 0 to 3600");
        ensure!((0.0..=3600.0).contains(&self.idle), "idle: 0 to 3600");
        ensure!((0.1..=100_000.0).contains(&self.rate), "rate: 0.1 to 100000");
        let load = self.load.unwrap_or(0.5);
        ensure!((0.01..=0.9).contains(&load), "load: 0.01 to 0.9");
        ensure!((1..=16).contains(&self.publishers), "publishers: 1 to 16");
        ensure!((1..=32).contains(&self.burst), "burst: 1 to 32");
        ensure!((64..=65_000).contains(&self.bytes), "bytes: 64 to 65000");
        ensure!((1..=250).contains(&self.addresses), "addresses: 1 to 250");
        if let Some(jobs) = self.jobs {
            ensure!((1..=100).contains(&jobs.steps), "jobs.steps: 1 to 100");
            ensure!((1..=64).contains(&jobs.queues), "jobs.queues: 1 to 64");
            ensure!(
                (1..=self.clients).contains(&jobs.followers),
                "jobs.followers: 1 to as many as clients"
            );
        }
        ensure!(
            !self.rollout || (self.nodes > 1 && self.seconds > 0.0),
            "rollout: needs nodes and seconds"
        );
        Ok(())
    }

    /// Clients of the topic with this number.
    pub(crate) fn followers(&self, topic: usize) -> usize {
        self.clients / self.topics + usize::from(topic < self.clients % self.topics)
    }

    /// Whether this server can be compared with others by it.
    pub(crate) fn suits(&self, kind: Kind) -> bool {
        let nodes = (self.nodes == 1 && self.masters == 0 && self.jobs.is_none()) || kind == Kind::Tidegate;
        let wire = (!self.deflate || kind.compresses()) && (!self.tls || kind.has_tls());
        nodes && wire && (!self.on_redis || kind.on_redis() || kind.is_limit())
    }

    /// Whether clients that lose their connection come back.
    pub(crate) fn returns(&self) -> bool {
        self.churn > 0.0 || self.rollout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_that_ships_is_right() -> Result<()> {
        let mut count = 0;
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"))? {
            Scenario::read(&entry?.path())?;
            count += 1;
        }
        ensure!(count > 9, "only {count} scenarios");
        Ok(())
    }

    #[test]
    fn clients_are_spread_evenly() -> Result<()> {
        let scenario: Scenario = toml::from_str("name = \"x\"\nclients = 10\ntopics = 4")?;
        let followers = (0..4).map(|topic| scenario.followers(topic)).collect::<Vec<_>>();
        assert_eq!(followers, [3, 3, 2, 2]);
        Ok(())
    }

    #[test]
    fn compression_and_tls_are_compared_among_servers_that_have_them() -> Result<()> {
        let read = |line: &str| toml::from_str::<Scenario>(&format!("name = \"x\"\nclients = 10\n{line}"));
        let (deflate, tls) = (read("deflate = true")?, read("tls = true")?);
        let suited = |kind| (deflate.suits(kind), tls.suits(kind));
        assert_eq!(suited(Kind::Tidegate), (true, true));
        assert_eq!(suited(Kind::Nchan), (true, false));
        assert_eq!(suited(Kind::Nats), (true, true));
        assert_eq!(suited(Kind::Limit), (false, false));
        assert_eq!(suited(Kind::Mosquitto), (false, false));
        Ok(())
    }
}
