//! What came of a run, for people and as JSON.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::scenario::Scenario;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: Scenario,
    pub(crate) clients: usize,
    /// Closed by the server.
    pub(crate) gone: usize,
    pub(crate) connect: Phase,
    /// From before the first client until all had been quiet for two seconds.
    pub(crate) idle: Phase,
    pub(crate) whole: Phase,
    pub(crate) delivery: Option<Delivery>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) seconds: f64,
    pub(crate) server_cpu_seconds: Option<f64>,
    pub(crate) own_cpu_seconds: f64,
    pub(crate) rss_bytes_per_client: Option<f64>,
    /// Of the whole machine, and of both ends.
    pub(crate) socket_bytes_per_client: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Delivery {
    pub(crate) published: u64,
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    /// Offsets that a client was not told, and was not told to be without.
    pub(crate) missing: u64,
    /// Times that a client was told that something is missing.
    pub(crate) told: u64,
    pub(crate) errors: u64,
    pub(crate) latency: Latency,
    pub(crate) phase: Phase,
}

/// Milliseconds from when a publication was due to when a client had it.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |nanos: u64| f64::from(u32::try_from(nanos / 1_000).unwrap_or(u32::MAX)) / 1_000.0;
        Self {
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            p999: ms(histogram.value_at_quantile(0.999)),
            max: ms(histogram.max()),
        }
    }
}

impl Report {
    /// Whether every client had everything, or was told what not.
    pub(crate) fn is_whole(&self) -> bool {
        self.delivery.as_ref().is_none_or(|one| {
            let slow = self.scenario.stalled > 0;
            one.missing == 0 && one.errors == 0 && (slow || one.told > 0 || one.delivered == one.expected)
        })
    }
}

fn per_second(count: f64, seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) if seconds > 0.0 => format!("{:.0}", count / seconds),
        Some(_) => "too few to tell".into(),
        None => "unknown (no --pid)".into(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.clients as f64;
        writeln!(
            f,
            "{}: {} clients, {} of them closed",
            self.scenario.name, self.clients, self.gone
        )?;
        writeln!(
            f,
            "  connect + subscribe   {:.0} per second, {} per server-CPU-second",
            clients / self.connect.seconds,
            per_second(clients, self.connect.server_cpu_seconds)
        )?;
        let memory = self.idle.rss_bytes_per_client;
        writeln!(
            f,
            "  idle client           {} bytes of the server's memory, {:.0} of the kernel's sockets",
            memory.map_or("unknown".into(), |bytes| format!("{bytes:.0}")),
            self.idle.socket_bytes_per_client
        )?;
        let Some(one) = &self.delivery else {
            return writeln!(f, "  nothing was published");
        };
        writeln!(
            f,
            "  deliveries            {} of {} expected from {} publications; {} missing, {} told missing, {} errors",
            one.delivered, one.expected, one.published, one.missing, one.told, one.errors
        )?;
        writeln!(
            f,
            "  per server-CPU-second {} deliveries, {} publications",
            per_second(one.delivered as f64, one.phase.server_cpu_seconds),
            per_second(one.published as f64, one.phase.server_cpu_seconds)
        )?;
        writeln!(
            f,
            "  latency               p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, most {:.3} ms",
            one.latency.p50, one.latency.p99, one.latency.p999, one.latency.max
        )?;
        writeln!(
            f,
            "  CPU                   server {}, this program {:.2} s, in {:.1} s",
            one.phase
                .server_cpu_seconds
                .map_or("unknown".into(), |cpu| format!("{cpu:.2} s")),
            one.phase.own_cpu_seconds,
            one.phase.seconds
        )
    }
}
