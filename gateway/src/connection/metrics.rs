//! What connections count.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tidegate_shared::code::CloseCode;

use super::ignored::Ignored;
use crate::dialect::{Format, TABLE};

/// Seconds from publish to socket write. The goal is 99 % within a quarter of a second.
const LATENCIES: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// Seconds.
const DURATIONS: [f64; 8] = [1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];
const ACTIONS: [&str; 16] = [
    "subscribe",
    "unsubscribe",
    "publish",
    "set",
    "remove",
    "presence",
    "history",
    "submit",
    "cancel",
    "call",
    "auth",
    "login",
    "ping",
    crate::session::INVALID,
    IGNORED,
    crate::session::BY_API,
];
/// The outcome of a command that did not fail; else it is the name of the error code.
pub(super) const OK: &str = "ok";
/// What a message is called that its dialect has no use for.
const IGNORED: &str = "ignored";

#[derive(Debug)]
pub(crate) struct Metrics {
    pub(super) connections: IntGauge,
    pub(super) duration: Histogram,
    commands: IntCounterVec,
    pub(super) sent_bytes: IntCounter,
    pub(super) received_bytes: IntCounter,
    pub(super) latency: Histogram,
    accepted: IntCounterVec,
    closed: IntCounterVec,
    sent: IntCounterVec,
    ignored: Ignored,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name, help, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let counter = |name, help| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let histogram = |name, help, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let histogram = Histogram::with_opts(options)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        let connections = IntGauge::new("tidegate_connections", "Clients connected to this node")?;
        registry.register(Box::new(connections.clone()))?;
        let metrics = Self {
            connections,
            duration: histogram(
                "tidegate_connection_duration_seconds",
                "How long connections lasted",
                &DURATIONS,
            )?,
            commands: counters(
                "tidegate_commands_total",
                "Commands from clients, by what came of them",
                &["action", "outcome"],
            )?,
            sent_bytes: counter(
                "tidegate_sent_bytes_total",
                "Bytes written to clients, framing included",
            )?,
            received_bytes: counter("tidegate_received_bytes_total", "Bytes of messages from clients")?,
            latency: histogram(
                "tidegate_delivery_latency_seconds",
                "From publish, by the backend's clock, to the write to the client's socket",
                &LATENCIES,
            )?,
            accepted: counters(
                "tidegate_connections_accepted_total",
                "Connections that began",
                &["dialect"],
            )?,
            closed: counters(
                "tidegate_connections_closed_total",
                "Connections that ended, by close code; 1005: the client gave none, 1006: without a close frame, other: a code that is not ours",
                &["code"],
            )?,
            sent: counters(
                "tidegate_messages_sent_total",
                "Messages written to clients",
                &["dialect"],
            )?,
            ignored: Ignored::default(),
        };
        metrics.show_from_the_start();
        Ok(metrics)
    }

    /// `outcome` is [`OK`] or the name of an error code.
    pub(super) fn command(&self, action: &str, outcome: &str) {
        self.commands.with_label_values(&[action, outcome]).inc();
    }

    /// A message came that its dialect has no use for.
    pub(super) fn ignored(&self, dialect: &'static str) {
        self.command(IGNORED, OK);
        self.ignored.note(dialect);
    }

    pub(super) fn accepted(&self, format: Format) -> IntCounter {
        self.accepted.with_label_values(&[format.dialect().name()])
    }

    pub(super) fn sent(&self, format: Format) -> IntCounter {
        self.sent.with_label_values(&[format.dialect().name()])
    }

    pub(super) fn closed(&self, code: ClosedBy) -> IntCounter {
        self.closed.with_label_values(&[&*code.label()])
    }

    fn show_from_the_start(&self) {
        for action in ACTIONS {
            self.commands.with_label_values(&[action, OK]);
        }
        for dialect in TABLE {
            self.accepted.with_label_values(&[dialect.name()]);
            self.sent.with_label_values(&[dialect.name()]);
        }
        for code in [
            ClosedBy::Client(Some(CloseCode::Normal.number())),
            ClosedBy::Server(CloseCode::SlowConsumer),
            ClosedBy::Nobody,
        ] {
            self.closed(code);
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClosedBy {
    Server(CloseCode),
    /// With its code, if it gave one.
    Client(Option<u16>),
    /// No close frame was seen.
    Nobody,
}

impl ClosedBy {
    /// A bounded number of texts, whatever codes clients make up.
    fn label(self) -> Cow<'static, str> {
        match self {
            Self::Server(code) => code.number().to_string().into(),
            Self::Client(None) => "1005".into(),
            Self::Nobody => "1006".into(),
            Self::Client(Some(number)) => match CloseCode::of_number(number) {
                Some(code) => code.number().to_string().into(),
                None => "other".into(),
            },
        }
    }
}

/// Since a time in milliseconds since 1970. The clocks of two machines may differ: never negative.
pub(super) fn seconds_since(published_ms: u64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(published_ms))
        .as_secs_f64()
}
