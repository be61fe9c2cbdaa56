//! The configuration: one TOML file for gateway and worker, checked as a whole before anything starts.
//!
//! [`Config::load`] puts flags over environment over file over defaults, and gives either a `Config` or
//! all that is wrong. What is here can't be wrong: addresses parse, names are valid, no namespace comes twice. Keys whose
//! feature does not exist stop the start, so each field here is acted upon.

mod app;
mod auth;
mod builtin;
mod endpoint;
mod file;
mod keys;
mod limits;
mod load;
mod mistake;
mod network;
mod not_yet;
mod overrides;
mod pileup;
mod quantity;
mod queues;
mod reader;
mod schedules;
mod section;
mod served;
mod shape;
#[cfg(test)]
mod tests;
mod tls;
mod users;
mod value;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::job::{MAX_STALLS_DEFAULT, Schedule};
use crate::name::QueueName;
use crate::namespace::{Access, Namespaces};

pub use app::App;
pub use auth::{Auth, Jwt, Secret, TokenAlgorithm};
pub use builtin::{Command, Pattern, Webhook};
pub use endpoint::{API_NAMES, DialectName, Endpoint};
pub use keys::{Key, Kind, REFERENCE, keys};
pub use limits::Limits;
pub use mistake::{ConfigErrors, Mistake, Place};
pub use network::Network;
pub use overrides::Overrides;
pub use pileup::{Pileup, Qrz};
pub use tls::{Peers, Tls};
pub use users::{Password, User};

#[derive(Debug, Clone)]
pub struct Config {
    pub redis: Redis,
    pub gateway: Gateway,
    pub limits: Limits,
    pub sse: Sse,
    pub connection: Connection,
    pub drain: Drain,
    pub auth: Auth,
    pub namespaces: Namespaces,
    pub jobs: Jobs,
    pub endpoints: Vec<Endpoint>,
    pub worker: Worker,
    /// Each with a name of its own.
    pub schedules: Vec<Schedule>,
    pub telemetry: Telemetry,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Redis {
    /// `redis://[user:password@]host:port[/db]`, `redis-cluster://[user:password@]host:port[,host:port…]` or
    /// `redis-sentinel://[user:password@]host:port[,host:port…]/service[/db]`. May hold a password: never
    /// logged.
    pub url: String,
    /// First part of every key, without the colon. A hash tag's braces are not allowed in it.
    pub prefix: String,
    /// Of `rediss://`: whose certificates are believed. Absent: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// A certificate and its key, to be shown to Redis.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Without the URL: it may hold a password.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    /// How other nodes reach this one, as `http://host:port` or `https://host:port`. Absent: as `listen` and the network say.
    pub advertise: Option<String>,
    /// Origins that browsers may connect from. Requests without an `Origin` are always accepted.
    pub allowed_origins: Vec<String>,
    /// Whose word counts on where a client comes from.
    pub trusted_proxies: Vec<Network>,
    /// Of the client port, and of endpoints with an address of their own.
    pub tls: Option<Tls>,
    pub admin_tls: Option<Tls>,
    pub peers: Peers,
}

/// What clients may do with jobs. Binds clients only, never `/api`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jobs {
    pub submit: Access,
    /// Topics of jobs and of queues, their logs as well.
    pub follow: Access,
    pub cancel: Access,
    pub call: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// How long a connection lasts, give or take a fifth. Zero: for ever.
    pub max_age: Duration,
}

/// How a node lets go of its clients when it is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long it still takes new ones, not being ready.
    pub grace: Duration,
    /// After this time, the grace included, who is left is closed. Zero: all at once.
    pub max: Duration,
    /// Fewest closes per second.
    pub min_rate: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sse {
    /// Interval of the comments that keep an event stream from being taken for dead.
    pub heartbeat: Duration,
}

/// A queue that a worker serves, and its share of the worker: with weight 3, three times that of one with 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedQueue {
    pub name: QueueName,
    pub weight: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    pub queues: Vec<ServedQueue>,
    /// Most jobs running at once in this process.
    pub concurrency: usize,
    pub lease: Duration,
    pub max_stalls: u32,
    /// Applications whose methods, jobs and duties this worker has.
    pub apps: Vec<App>,
    /// Directories that `backup` may read from and write to. Empty: none.
    pub backup_roots: Vec<PathBuf>,
    pub admin_listen: SocketAddr,
    pub admin_tls: Option<Tls>,
    pub webhook: Webhook,
    /// The programs that `command` may run, each with a name of its own. Empty: none.
    pub commands: Vec<Command>,
    pub pileup: Pileup,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// A filter as `info` or `info,tidegate_gateway=debug`.
    pub log: String,
    pub log_format: LogFormat,
    /// Where traces are told, as `http://host:4318`. Absent: nowhere.
    pub otlp_endpoint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// A whole number and its unit, as `25s`. Tells what is wrong otherwise.
pub fn duration(text: &str) -> Result<Duration, String> {
    quantity::duration(text).map_err(|wrong| format!("{}; {}", wrong.what, wrong.help))
}

impl Config {
    /// Lets anyone do everything with topics and jobs, as far as nothing else is set.
    pub fn open_to_anyone(&mut self) {
        self.namespaces.open_to_anyone();
        self.jobs = Jobs {
            submit: Access::Anyone,
            follow: Access::Anyone,
            cancel: Access::Anyone,
            call: Access::Anyone,
        };
    }
}

impl Default for Config {
    fn default() -> Self {
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        Self {
            redis: Redis {
                url: "redis://127.0.0.1:6379".into(),
                prefix: "tg".into(),
                ca: None,
                client: None,
            },
            gateway: Gateway {
                listen: any(8080),
                admin_listen: any(9090),
                advertise: None,
                allowed_origins: Vec::new(),
                trusted_proxies: Vec::new(),
                tls: None,
                admin_tls: None,
                peers: Peers::default(),
            },
            limits: Limits::default(),
            connection: Connection {
                max_age: Duration::from_secs(3600),
            },
            drain: Drain {
                grace: Duration::from_secs(10),
                max: Duration::from_secs(285),
                min_rate: 50,
            },
            sse: Sse {
                heartbeat: Duration::from_secs(15),
            },
            auth: Auth::default(),
            namespaces: Namespaces::default(),
            jobs: Jobs {
                submit: Access::Users,
                follow: Access::Owner,
                cancel: Access::Owner,
                call: Access::Users,
            },
            endpoints: Endpoint::built_in(),
            worker: Worker {
                queues: served::queues("default").unwrap_or_default(),
                concurrency: 16,
                lease: Duration::from_secs(30),
                max_stalls: MAX_STALLS_DEFAULT,
                apps: App::ALL.to_vec(),
                backup_roots: Vec::new(),
                admin_listen: any(9091),
                admin_tls: None,
                webhook: Webhook::default(),
                commands: Vec::new(),
                pileup: Pileup::default(),
            },
            schedules: Vec::new(),
            telemetry: Telemetry {
                log: "info".into(),
                log_format: LogFormat::Text,
                otlp_endpoint: None,
            },
        }
    }
}
