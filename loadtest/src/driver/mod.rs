//! A run: connect, settle, publish when it is due, wait for what is still under way, tell.
//!
//! Open loop: a burst is sent when the schedule says so, however late the one before was, and latency counts from when
//! it was due. One thread: what this program takes itself is part of the latency, and told as its CPU time.

mod connect;
mod counts;
mod data;
mod heard;
mod jobs;
mod look;
mod publish;
mod turn;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use mio::{Events, Poll};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

pub(crate) use counts::{Counts, Returns};

use crate::client::{Client, Stage};
use crate::inflate::Inflate;
use crate::measure::Process;
use crate::protocol::{Name, Protocol};
use crate::report::{Delivery, Following, Latency, Report, Sample};
use crate::scenario::Scenario;
use crate::server::Server;
use crate::wire;
use look::Look;

/// Between the last subscription and the first look at memory.
const SETTLE: Duration = Duration::from_secs(2);
const SCRATCH: usize = 256 * 1024;

/// Whom to connect to, and whose cost to tell.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) path: String,
    pub(crate) protocol: Name,
    pub(crate) server: Process,
    pub(crate) redis: Process,
    /// Who is to be trusted, where it has TLS.
    pub(crate) authority: Option<CertificateDer<'static>>,
}

pub(crate) struct Driver<'s> {
    scenario: Scenario,
    target: Target,
    protocol: &'static dyn Protocol,
    /// The server, if it is to be changed meanwhile.
    fleet: Option<&'s mut Server>,
    tls: Option<Arc<ClientConfig>>,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    /// Answered for the first time.
    following: usize,
    /// Who comes back, and when.
    comings: BinaryHeap<Reverse<(Instant, usize)>>,
    churn: Option<connect::Churn>,
    rollout: Vec<(Instant, u32)>,
    started: Instant,
    scratch: Vec<u8>,
    inflate: Inflate,
    counts: Counts,
    jobs: Option<jobs::Jobs>,
    /// The number of the last publication of each topic.
    numbers: Vec<u64>,
    samples: Vec<Sample>,
    next_sample: Instant,
    bar: ProgressBar,
}

impl<'s> Driver<'s> {
    pub(crate) fn new(scenario: Scenario, target: Target, fleet: Option<&'s mut Server>) -> Result<Self> {
        let bar = ProgressBar::new(0);
        let style = "{prefix} {msg:12} {bar:30} {pos}/{len} {elapsed}";
        bar.set_style(ProgressStyle::with_template(style)?);
        bar.set_prefix(format!("{}, {}", target.name, scenario.name));
        let tls = if scenario.tls {
            let authority = target.authority.clone();
            let authority = authority.context("`tls`: --ca says whom to trust")?;
            Some(wire::trust(authority)?)
        } else {
            None
        };
        Ok(Self {
            tls,
            clients: Vec::with_capacity(scenario.clients + 1),
            numbers: vec![0; scenario.topics],
            protocol: target.protocol.protocol(),
            scenario,
            target,
            fleet,
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            following: 0,
            comings: BinaryHeap::new(),
            churn: None,
            rollout: Vec::new(),
            started: Instant::now(),
            scratch: vec![0; SCRATCH],
            inflate: Inflate::new(),
            counts: Counts::new()?,
            jobs: None,
            samples: Vec::new(),
            next_sample: Instant::now(),
            bar,
        })
    }

    pub(crate) fn run(mut self) -> Result<Report> {
        if self.scenario.rollout {
            // Processes come and go: what they use is not one number.
            self.target.server = Process::default();
        }
        let before = self.look(true)?;
        self.connect()?;
        let connected = self.look(false)?;
        self.wait(SETTLE)?;
        let settled = self.look(true)?;
        let (mut delivery, mut following) = (None, None);
        if let Some(plan) = self.scenario.jobs {
            self.open_publisher(0, 0)?;
            let begin = self.look(false)?;
            let told = self.work(plan)?;
            let end = self.look(false)?;
            let phase = Some(begin.until(&end, self.following));
            following = Some(Following { phase, ..told });
        } else if self.scenario.seconds > 0.0 {
            delivery = Some(self.publish()?);
        } else {
            self.begin_churn();
            self.bar.set_message("idle");
            self.wait(Duration::from_secs_f64(self.scenario.idle))?;
        }
        let last = self.look(true)?;
        self.bar.finish_and_clear();
        Ok(Report {
            target: self.target.name.clone(),
            connect: before.until(&connected, self.following),
            idle: before.until(&settled, self.following),
            whole: before.until(&last, self.following),
            clients: self.following,
            gone: self.clients.iter().filter(|one| one.stage == Stage::Gone).count(),
            compressed: self.followers().filter(|one| one.deflates).count(),
            returns: self.counts.returns,
            delivery,
            following,
            samples: std::mem::take(&mut self.samples),
            scenario: self.scenario,
        })
    }

    fn publish(&mut self) -> Result<Delivery> {
        for which in 0..self.scenario.publishers {
            self.open_publisher(which, which)?;
        }
        if let Some(load) = self.scenario.load {
            self.bar.set_message("calibrating");
            self.scenario.rate = self.rate_for(load)?;
        }
        self.counts = Counts::new()?;
        self.begin_churn();
        self.begin_rollout();
        self.bar.set_message("publishing");
        let begin = self.look(false)?;
        let (published, expected) = self.publish_for(self.scenario.seconds)?;
        let end = self.look(false)?;
        let counts = &self.counts;
        Ok(Delivery {
            rate: self.scenario.rate,
            published,
            expected,
            delivered: counts.delivered,
            received: counts.received,
            missing: counts.missing,
            told: counts.told,
            errors: counts.errors,
            error: counts.error.clone(),
            latency: Latency::of(&counts.latency),
            phase: begin.until(&end, self.following),
        })
    }

    /// Clients but those that publish.
    fn followers(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().take(self.scenario.clients)
    }

    fn look(&self, deep: bool) -> Result<Look> {
        Look::at(&self.target.server, &self.target.redis, deep)
    }
}
