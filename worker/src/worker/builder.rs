//! Puts a worker together, and refuses one that could not work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use rand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tidegate_shared::backend::Backend;
use tidegate_shared::job::{MAX_STALLS_DEFAULT, Schedule};
use tidegate_shared::name::{JobType, MethodGroup, MethodName, NameError, QueueName, WorkerId};
use tidegate_shared::trace::Tracer;

use super::Worker;
use super::backlog::Backlog;
use super::beats::{self, Beat, Duty, PERIODS, Work};
use super::handlers::{AnyHandler, Handlers, Typed};
use super::metrics::WorkerMetrics;
use super::services::{AnyMethod, Services, TypedMethod};
use crate::call::Method;
use crate::job::{Handler, Job};

/// Shortest lease: three heartbeats must fit into it.
const LEASE_MIN: Duration = Duration::from_millis(100);

/// See [`Worker::builder`].
pub struct WorkerBuilder {
    backend: Backend,
    name: String,
    queues: Vec<(String, u32)>,
    concurrency: usize,
    lease: Duration,
    max_stalls: u32,
    drain_grace: Duration,
    handlers: Vec<(&'static str, Arc<dyn AnyHandler>)>,
    methods: Vec<(String, Arc<dyn AnyMethod>)>,
    serial: Vec<String>,
    duties: Vec<(String, Duration, Work)>,
    failure: Option<String>,
    schedules: Option<Vec<Schedule>>,
    registry: Registry,
    tracer: Tracer,
}

/// Why a worker could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("the type of a registered job is not valid: {0}")]
    Type(NameError),
    #[error("there are two handlers for jobs of type {0}: register one")]
    TwoHandlers(&'static str),
    #[error("the name of a method is not valid: {0}")]
    Method(NameError),
    #[error("there are two methods {0}: register one")]
    TwoMethods(MethodName),
    #[error("the group {0} is to be serial, but there is no method of it")]
    NoSuchGroup(MethodGroup),
    #[error("{0}")]
    Other(String),
    #[error("the name of a duty is not valid: {0}")]
    Duty(NameError),
    #[error("there are two duties {0}: register one")]
    TwoDuties(MethodName),
    #[error("the duty {0} is due every {1:?}: from {first:?} to {last:?} is possible", first = PERIODS.start(), last = PERIODS.end())]
    Period(MethodName, Duration),
    #[error("there is no handler, no method and no duty: register at least one")]
    NoHandler,
    #[error("the concurrency is 0: the worker could run nothing")]
    NoConcurrency,
    #[error("a lease of {0:?} is too short: give it at least {LEASE_MIN:?}")]
    ShortLease(Duration),
    #[error("the metrics cannot be registered, is there another worker on this registry? {0}")]
    Metrics(#[from] prometheus::Error),
}

impl WorkerBuilder {
    pub(crate) fn new(backend: Backend) -> Self {
        Self {
            backend,
            name: "worker".into(),
            queues: Vec::new(),
            concurrency: 16,
            lease: Duration::from_secs(30),
            max_stalls: MAX_STALLS_DEFAULT,
            drain_grace: Duration::from_secs(10),
            handlers: Vec::new(),
            methods: Vec::new(),
            serial: Vec::new(),
            duties: Vec::new(),
            failure: None,
            schedules: None,
            registry: Registry::new(),
            tracer: Tracer::default(),
        }
    }

    /// Serves this queue too. Without any: `default`.
    #[must_use]
    pub fn queue(self, queue: impl Into<String>) -> Self {
        self.weighted_queue(queue, 1)
    }

    /// The same, with a weight: while all queues have jobs, one of weight 3 gets three times as many of this
    /// worker's turns as one of weight 1. What a queue does not need is the others'.
    #[must_use]
    pub fn weighted_queue(mut self, queue: impl Into<String>, weight: u32) -> Self {
        self.queues.push((queue.into(), weight));
        self
    }

    /// Most jobs that run at once; 16 unless set.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// How long a job stays this worker's without a sign of life; 30 s unless set. It is renewed three
    /// times as often. When the worker dies, its jobs go on elsewhere this much later.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How often a job may lose its worker before it fails; 3 unless set.
    #[must_use]
    pub fn max_stalls(mut self, max_stalls: u32) -> Self {
        self.max_stalls = max_stalls;
        self
    }

    /// How long running jobs may go on after the shutdown before they are given back; 10 s unless set.
    #[must_use]
    pub fn drain_grace(mut self, drain_grace: Duration) -> Self {
        self.drain_grace = drain_grace;
        self
    }

    /// First part of the worker's id, as the host's name. Letters, digits, `.`, `_`, `-`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Does jobs of this type. See [`Handler`].
    #[must_use]
    pub fn register<J: Job>(mut self, handler: impl Handler<J>) -> Self {
        self.handlers.push((J::TYPE, Arc::new(Typed::new(handler))));
        self
    }

    /// Answers calls of this method. What stands before the first dot of its name is its group. See
    /// [`Method`].
    #[must_use]
    pub fn method<I, O>(mut self, name: impl Into<String>, method: impl Method<I, O>) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        self.methods
            .push((name.into(), Arc::new(TypedMethod::new(method))));
        self
    }

    /// Of this group of methods at most one call runs at a time, however many workers serve it: so that what
    /// they keep in topics is changed by one after the other. All workers that serve it must say so.
    #[must_use]
    pub fn serial(mut self, group: impl Into<String>) -> Self {
        self.serial.push(group.into());
        self
    }

    /// Does this once every period, on one of all workers that say the same: as a tick of a game, or looking
    /// for what has fallen silent. A beat that takes longer than the period leaves out what was due
    /// meanwhile; on another worker, the next may then begin before it has ended. What the last worker had
    /// begun when it died is not done again.
    ///
    /// For jobs at certain times there are schedules: those are kept by the backend, and missed ticks are made up
    /// for. From 50 ms to a minute.
    #[must_use]
    pub fn every<F, R>(mut self, name: impl Into<String>, period: Duration, work: F) -> Self
    where
        F: Fn(Beat) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.duties.push((name.into(), period, beats::work(work)));
        self
    }

    /// The worker cannot be built, and this is why: for what registers handlers and lacks something.
    #[must_use]
    pub fn fail(mut self, why: impl Into<String>) -> Self {
        self.failure.get_or_insert(why.into());
        self
    }

    /// Keeps these schedules, and no others that workers have kept for the queues served: what a
    /// configuration says. Schedules that were made by other means stay as they are. Without this, none is
    /// touched; all that are due are submitted in any case.
    #[must_use]
    pub fn schedules(mut self, schedules: Vec<Schedule>) -> Self {
        self.schedules = Some(schedules);
        self
    }

    /// The registered types, in this order.
    pub(crate) fn types(&self) -> Vec<&'static str> {
        self.handlers.iter().map(|(kind, _)| *kind).collect()
    }

    /// Tells what becomes of jobs that are submitted in a trace.
    #[must_use]
    pub fn tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Where the worker's metrics go. One worker for each registry.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    pub fn build(self) -> Result<Worker, BuildError> {
        if let Some(why) = self.failure {
            return Err(BuildError::Other(why));
        }
        let (mut queues, mut weights) = (Vec::new(), Vec::new());
        for (queue, weight) in &self.queues {
            let queue = QueueName::parse(queue)?;
            if !queues.contains(&queue) {
                queues.push(queue);
                weights.push(*weight);
            }
        }
        if queues.is_empty() {
            queues.push(QueueName::parse("default")?);
            weights.push(1);
        }
        let mut handlers = Handlers::default();
        for (kind, handler) in self.handlers {
            if !handlers.insert(JobType::parse(kind).map_err(BuildError::Type)?, handler) {
                return Err(BuildError::TwoHandlers(kind));
            }
        }
        let mut services = Services::default();
        for (name, method) in self.methods {
            let name = MethodName::parse(&name).map_err(BuildError::Method)?;
            if !services.insert(name.clone(), method) {
                return Err(BuildError::TwoMethods(name));
            }
        }
        let mut serial = BTreeSet::new();
        for group in &self.serial {
            let group = MethodGroup::parse(group).map_err(BuildError::Method)?;
            if !services.has(&group) {
                return Err(BuildError::NoSuchGroup(group));
            }
            serial.insert(group);
        }
        let mut duties: Vec<Duty> = Vec::new();
        for (name, period, work) in self.duties {
            let name = MethodName::parse(&name).map_err(BuildError::Duty)?;
            if duties.iter().any(|duty| duty.name == name) {
                return Err(BuildError::TwoDuties(name));
            }
            if !PERIODS.contains(&period) {
                return Err(BuildError::Period(name, period));
            }
            duties.push(Duty { name, period, work });
        }
        if handlers.types().next().is_none() && services.is_empty() && duties.is_empty() {
            return Err(BuildError::NoHandler);
        }
        if self.concurrency == 0 {
            return Err(BuildError::NoConcurrency);
        }
        if self.lease < LEASE_MIN {
            return Err(BuildError::ShortLease(self.lease));
        }
        let id = WorkerId::parse(&format!("{}-{:08x}", self.name, rand::rng().random::<u32>()))?;
        let metrics = WorkerMetrics::register(&self.registry, handlers.types(), &queues)?;
        let backlog = Backlog::register(&self.registry, &queues)?;
        Ok(Worker {
            backend: self.backend,
            id,
            queues,
            weights,
            concurrency: self.concurrency,
            lease: self.lease,
            max_stalls: self.max_stalls,
            drain_grace: self.drain_grace,
            handlers: Arc::new(handlers),
            groups: services.into_groups(&serial),
            duties,
            schedules: self.schedules,
            metrics,
            backlog,
            tracer: self.tracer,
        })
    }
}
