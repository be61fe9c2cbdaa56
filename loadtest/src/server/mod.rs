//! Servers that are started for a run, each with a fresh Redis if it needs one, and ended after it.
//!
//! The server is on a core of its own; Redis shares the other one with the driver, and its CPU time is told apart.

mod certificate;
mod peers;
mod program;
mod redis;
mod tidegate;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::driver::Target;
use crate::measure::Process;
use crate::protocol::Name;
use crate::scenario::Scenario;
use certificate::Certificate;
use program::Program;

/// What can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The gateway on Redis, with a log of 100 for each topic, as it is installed
    Tidegate,
    /// The same, topics without a log
    TidegateNoLog,
    /// What the machine can do at most, one write a message
    Limit,
    /// The same, up to 32 waiting messages in a write
    LimitBatched,
    /// nats-server
    Nats,
    /// nginx with Nchan
    Nchan,
    /// The same on Redis
    NchanRedis,
    /// Mosquitto
    Mosquitto,
    /// Socket.IO on node, with its Redis adapter
    Socketio,
    /// Centrifugo on Redis
    Centrifugo,
}

impl Kind {
    pub(crate) fn protocol(self) -> Name {
        match self {
            Self::Tidegate | Self::TidegateNoLog | Self::Limit | Self::LimitBatched => Name::Native,
            Self::Nats => Name::Nats,
            Self::Nchan | Self::NchanRedis => Name::Nchan,
            Self::Mosquitto => Name::Mqtt,
            Self::Socketio => Name::Socketio,
            Self::Centrifugo => Name::Centrifuge,
        }
    }

    /// Whether it says what it sends over Redis, and other nodes would hear it.
    pub(crate) fn on_redis(self) -> bool {
        matches!(
            self,
            Self::Tidegate | Self::TidegateNoLog | Self::NchanRedis | Self::Socketio | Self::Centrifugo
        )
    }

    pub(crate) fn is_limit(self) -> bool {
        matches!(self, Self::Limit | Self::LimitBatched)
    }

    /// Whether it compresses messages for who offers it.
    pub(crate) fn compresses(self) -> bool {
        !self.is_limit() && self != Self::Mosquitto
    }

    /// Whether it is started with a certificate where a scenario has TLS.
    pub(crate) fn has_tls(self) -> bool {
        matches!(self, Self::Tidegate | Self::TidegateNoLog | Self::Nats)
    }

    pub(crate) fn is_peer(self) -> bool {
        !self.is_limit() && !matches!(self, Self::Tidegate | Self::TidegateNoLog)
    }
}

/// What to start, and how it is called in reports.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The gateway, where it is Tidegate.
    pub(crate) gateway: PathBuf,
    pub(crate) nodes: u32,
    /// Masters of a Redis Cluster; 0: a single server.
    pub(crate) masters: u32,
    /// Queues of a worker, which has the job that counts; 0: no worker.
    pub(crate) queues: u64,
    /// Compresses messages for clients that offer it.
    pub(crate) deflate: bool,
    pub(crate) tls: bool,
}

impl Wanted {
    pub(crate) fn suited(self, scenario: &Scenario) -> Self {
        Self {
            nodes: scenario.nodes,
            masters: scenario.masters,
            deflate: scenario.deflate,
            tls: scenario.tls,
            queues: scenario.jobs.map_or(0, |jobs| jobs.queues),
            ..self
        }
    }
}

/// The cores of the server, and of everything else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) server: u32,
    pub(crate) rest: u32,
}

pub(crate) enum Start {
    Running(Box<Server>),
    /// What is not installed, and how to get it.
    Missing(String),
}

pub(crate) struct Server {
    wanted: Wanted,
    cores: Cores,
    certificate: Option<Certificate>,
    nodes: Vec<Node>,
    redis: Vec<Program>,
    worker: Option<Program>,
    // Last, as programs are ended before it is removed.
    folder: tempfile::TempDir,
    /// Nodes that were told to end.
    ending: Vec<Program>,
}

struct Node {
    program: Program,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start(wanted: Wanted, cores: Cores) -> Result<Start> {
        if let Some(missing) = peers::missing(wanted.kind) {
            return Ok(Start::Missing(missing));
        }
        ensure!(
            (wanted.nodes == 1 && wanted.masters == 0) || wanted.kind == Kind::Tidegate,
            "only Tidegate is started as several nodes, or on a Cluster"
        );
        ensure!(
            !wanted.tls || wanted.kind.has_tls(),
            "only Tidegate and NATS are started with TLS"
        );
        let folder = tempfile::tempdir()?;
        let certificate = wanted.tls.then(|| Certificate::new(folder.path())).transpose()?;
        let redis = if wanted.kind.on_redis() {
            redis::start(folder.path(), cores.rest, wanted.masters)?
        } else {
            Vec::new()
        };
        let mut server = Self {
            wanted,
            cores,
            certificate,
            nodes: Vec::new(),
            redis,
            worker: None,
            folder,
            ending: Vec::new(),
        };
        for _ in 0..server.wanted.nodes {
            let node = server.node()?;
            server.nodes.push(node);
        }
        if server.wanted.queues > 0 {
            let url = redis::url(&server.redis);
            let (folder, wanted) = (server.folder.path(), &server.wanted);
            let worker = tidegate::worker(folder, cores.rest, &wanted.gateway, &url, wanted.queues)?;
            server.worker = Some(worker);
        }
        Ok(Start::Running(Box::new(server)))
    }

    fn node(&self) -> Result<Node> {
        let redis = self.redis.first().map_or(0, |redis| redis.port);
        let url = redis::url(&self.redis);
        let (folder, core) = (self.folder.path(), self.cores.server);
        let certificate = self.certificate.as_ref();
        let program = match self.wanted.kind {
            Kind::Tidegate => tidegate::start(folder, core, &self.wanted.gateway, &url, 100, certificate)?,
            Kind::TidegateNoLog => tidegate::start(folder, core, &self.wanted.gateway, &url, 0, certificate)?,
            _ => peers::start(&self.wanted, folder, core, redis, certificate)?,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], program.port));
        Ok(Node { program, address })
    }

    pub(crate) fn target(&self) -> Target {
        let pids: Vec<_> = self.nodes.iter().flat_map(|node| node.program.pids()).collect();
        let redis: Vec<_> = self.redis.iter().flat_map(Program::pids).collect();
        Target {
            name: self.wanted.name.clone(),
            addresses: self.nodes.iter().map(|node| node.address).collect(),
            path: self.wanted.kind.protocol().path().into(),
            protocol: self.wanted.kind.protocol(),
            server: Process::of(&pids),
            redis: Process::of(&redis),
            authority: self.certificate.as_ref().map(|one| one.der.clone()),
        }
    }

    /// Starts another node, tells this one to end, and gives where clients are to go now: what a load balancer knows.
    pub(crate) fn replace(&mut self, node: u32) -> Result<Vec<SocketAddr>> {
        let new = self.node()?;
        let old = std::mem::replace(&mut self.nodes[node as usize], new);
        old.program.terminate()?;
        self.ending.push(old.program);
        Ok(self.nodes.iter().map(|node| node.address).collect())
    }
}
