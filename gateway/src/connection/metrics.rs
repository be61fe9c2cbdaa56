//! What connections count.

use std::borrow::Cow;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tidegate_shared::code::CloseCode;

use super::ignored::Ignored;
use crate::dialect::{Format, TABLE};

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
    /// Those of the commands that did not fail, by the action's place in [`ACTIONS`].
    done: Vec<IntCounter>,
    pub(super) received_bytes: IntCounter,
    /// By the dialect's place in its table.
    accepted: Vec<IntCounter>,
    closed: IntCounterVec,
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
        let commands = counters(
            "tidegate_commands_total",
            "Commands from clients, by what came of them",
            &["action", "outcome"],
        )?;
        let accepted = counters(
            "tidegate_connections_accepted_total",
            "Connections that began",
            &["dialect"],
        )?;
        let metrics = Self {
            connections,
            duration: histogram(
                "tidegate_connection_duration_seconds",
                "How long connections lasted",
                &DURATIONS,
            )?,
            done: ACTIONS
                .iter()
                .map(|action| commands.with_label_values(&[action, OK]))
                .collect(),
            commands,
            received_bytes: counter("tidegate_received_bytes_total", "Bytes of messages from clients")?,
            accepted: TABLE
                .iter()
                .map(|dialect| accepted.with_label_values(&[dialect.name()]))
                .collect(),
            closed: counters(
                "tidegate_connections_closed_total",
                "Connections that ended, by close code; 1005: the client gave none, 1006: without a close frame, other: a code that is not ours",
                &["code"],
            )?,
            ignored: Ignored::default(),
        };
        metrics.show_from_the_start();
        Ok(metrics)
    }

    /// `outcome` is [`OK`] or the name of an error code.
    pub(super) fn command(&self, action: &str, outcome: &str) {
        let place = ACTIONS.iter().position(|one| *one == action);
        match place.and_then(|place| self.done.get(place)) {
            Some(done) if outcome == OK => done.inc(),
            _ => self.commands.with_label_values(&[action, outcome]).inc(),
        }
    }

    /// A message came that its dialect has no use for.
    pub(super) fn ignored(&self, dialect: &'static str) {
        self.command(IGNORED, OK);
        self.ignored.note(dialect);
    }

    pub(super) fn accepted(&self, format: Format) {
        if let Some(counter) = self.accepted.get(format.place()) {
            counter.inc();
        }
    }

    pub(super) fn closed(&self, code: ClosedBy) -> IntCounter {
        self.closed.with_label_values(&[&*code.label()])
    }

    fn show_from_the_start(&self) {
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
