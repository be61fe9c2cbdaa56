//! One step of a trace, told when it is over.

use std::sync::Arc;
use std::time::SystemTime;

pub use opentelemetry::trace::SpanKind as Kind;
use prometheus::{IntCounterVec, Opts, Registry};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::context::TraceContext;
use super::export;
use crate::config::Telemetry;

/// Spans that wait to be told. What does not fit is dropped and counted.
const WAITING: usize = 4_096;

/// Makes spans, or nothing. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    ended: mpsc::Sender<Ended>,
    spans: IntCounterVec,
}

/// Told when it is dropped.
#[derive(Debug)]
pub struct Span {
    inner: Arc<Inner>,
    ended: Option<Ended>,
    context: TraceContext,
}

#[derive(Debug)]
pub(super) struct Ended {
    pub(super) context: TraceContext,
    pub(super) parent: Option<TraceContext>,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) began: SystemTime,
    pub(super) until: SystemTime,
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) failure: Option<String>,
}

impl Tracer {
    /// Tells what the configuration names, in the name of this `service`, until `end`. Call it within a Tokio runtime.
    pub fn start(
        telemetry: &Telemetry,
        service: &'static str,
        instance: &str,
        registry: &Registry,
        end: CancellationToken,
    ) -> Result<Self, prometheus::Error> {
        let Some(endpoint) = &telemetry.otlp_endpoint else {
            return Ok(Self::default());
        };
        let options = Opts::new(
            "tidegate_spans_total",
            "Spans of traces, by whether the receiver took them",
        );
        let spans = IntCounterVec::new(options, &["outcome"])?;
        for outcome in ["told", "failed", "dropped"] {
            spans.with_label_values(&[outcome]);
        }
        // Gateway and worker in one process tell as two services; the first one's counters are shown.
        match registry.register(Box::new(spans.clone())) {
            Ok(()) | Err(prometheus::Error::AlreadyReg) => {}
            Err(error) => return Err(error),
        }
        let (ended, waiting) = mpsc::channel(WAITING);
        let receiver = export::Receiver::new(endpoint, service, instance, spans.clone());
        tokio::spawn(receiver.tell(waiting, end));
        Ok(Self {
            inner: Some(Arc::new(Inner { ended, spans })),
        })
    }

    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// A step that begins now, in a trace of its own if it has no parent.
    pub fn begin(&self, name: &'static str, kind: Kind, parent: Option<TraceContext>) -> Option<Span> {
        let inner = self.inner.clone()?;
        let context = parent.map_or_else(TraceContext::root, TraceContext::child);
        let now = SystemTime::now();
        Some(Span {
            inner,
            context,
            ended: Some(Ended {
                context,
                parent,
                name,
                kind,
                began: now,
                until: now,
                attributes: Vec::new(),
                failure: None,
            }),
        })
    }

    /// The same for a trace that somebody else has begun; otherwise nothing.
    pub fn follow(&self, name: &'static str, kind: Kind, parent: Option<TraceContext>) -> Option<Span> {
        self.begin(name, kind, Some(parent?))
    }
}

impl Span {
    /// For what happens because of this step.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Names and numbers only, never what is in messages.
    pub fn note(&mut self, key: &'static str, value: &(impl ToString + ?Sized)) {
        if let Some(ended) = &mut self.ended {
            ended.attributes.push((key, value.to_string()));
        }
    }

    pub fn failed(&mut self, why: &(impl ToString + ?Sized)) {
        if let Some(ended) = &mut self.ended {
            ended.failure = Some(why.to_string());
        }
    }

    /// It began earlier than it was made.
    pub fn began_at(&mut self, time: SystemTime) {
        if let Some(ended) = &mut self.ended {
            ended.began = time.min(ended.began);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(mut ended) = self.ended.take() else {
            return;
        };
        ended.until = SystemTime::now().max(ended.began);
        if self.inner.ended.try_send(ended).is_err() {
            self.inner.spans.with_label_values(&["dropped"]).inc();
        }
    }
}
