//! What server, Redis and this program have used until a moment, and what it was between two of them.

use std::time::Instant;

use anyhow::Result;

use crate::measure::{Kernel, Process, Usage};
use crate::report::Phase;

pub(super) struct Look {
    server: Option<Usage>,
    pss: Option<u64>,
    nodes: Vec<f64>,
    masters: Vec<f64>,
    own: Usage,
    kernel: Kernel,
    at: Instant,
}

impl Look {
    /// `deep`: with what takes the kernel longer to say.
    pub(super) fn at(server: &Process, redis: &Process, deep: bool) -> Result<Self> {
        Ok(Self {
            pss: if deep { server.pss() } else { None },
            server: (!server.is_none()).then(|| server.usage()).transpose()?,
            nodes: server.each()?,
            masters: redis.each()?,
            own: Process::own().usage()?,
            kernel: Kernel::now(),
            at: Instant::now(),
        })
    }

    /// What it was from `self` to `to`, with this many clients more.
    pub(super) fn until(&self, to: &Self, clients: usize) -> Phase {
        let grown = |from: u64, to: u64| float(to.saturating_sub(from)) / float(clients.max(1) as u64);
        let server = self.server.zip(to.server);
        Phase {
            seconds: (to.at - self.at).as_secs_f64(),
            server_cpu_seconds: server.map(|(from, to)| to.cpu_seconds - from.cpu_seconds),
            redis_cpu_seconds: (!self.masters.is_empty())
                .then(|| each(&self.masters, &to.masters).iter().sum()),
            nodes: each(&self.nodes, &to.nodes),
            masters: each(&self.masters, &to.masters),
            own_cpu_seconds: to.own.cpu_seconds - self.own.cpu_seconds,
            rss_bytes_per_client: server.map(|(from, to)| grown(from.rss, to.rss)),
            pss_bytes_per_client: self.pss.zip(to.pss).map(|(from, to)| grown(from, to)),
            socket_bytes_per_client: grown(self.kernel.sockets, to.kernel.sockets),
            slab_bytes_per_client: self
                .kernel
                .slab
                .zip(to.kernel.slab)
                .map(|(from, to)| grown(from, to)),
        }
    }

    /// Seconds of the server's core, and of the clock, since then.
    pub(super) fn busy(&self, to: &Self) -> Option<(f64, f64)> {
        let (from, until) = self.server.zip(to.server)?;
        let clock = (to.at - self.at).as_secs_f64();
        Some((until.cpu_seconds - from.cpu_seconds, clock))
    }
}

fn each(from: &[f64], to: &[f64]) -> Vec<f64> {
    from.iter().zip(to).map(|(from, to)| to - from).collect()
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a run are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}
