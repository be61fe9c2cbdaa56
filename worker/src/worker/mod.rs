//! The worker: claims jobs, runs their handlers under leases, and ends in an orderly way.

mod attempt;
mod backlog;
mod backoff;
mod beats;
mod builder;
mod claims;
mod handlers;
mod lease;
mod metrics;
mod reclaim;
mod reports;
mod runner;
mod schedules;
mod services;
mod serving;
mod threads;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::Link;
use tidegate_shared::job::Schedule;
use tidegate_shared::name::{QueueName, WorkerId};
use tidegate_shared::trace::Tracer;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::topics::Topics;

pub(crate) use attempt::Attempt;
use backlog::Backlog;
pub use beats::Beat;
use beats::Duty;
pub use builder::{BuildError, WorkerBuilder};
use claims::Claims;
use handlers::Handlers;
use lease::{Keeper, Leases};
use metrics::WorkerMetrics;
use runner::Runner;
use schedules::Clock;
use services::GroupOfMethods;
use serving::Serving;
use threads::Threads;
use turns::Turns;

/// Runs the jobs of some queues. See [`Worker::builder`].
pub struct Worker {
    backend: Backend,
    id: WorkerId,
    queues: Vec<QueueName>,
    /// One for each queue.
    weights: Vec<u32>,
    concurrency: usize,
    lease: Duration,
    max_stalls: u32,
    drain_grace: Duration,
    handlers: Arc<Handlers>,
    groups: Vec<GroupOfMethods>,
    duties: Vec<Duty>,
    metrics: WorkerMetrics,
    backlog: Backlog,
    /// Those of the configuration, if they are this worker's to keep.
    schedules: Option<Vec<Schedule>>,
    tracer: Tracer,
}

/// Most calls that one worker runs at once. They are short, and mostly wait for others.
const CALLS: usize = 256;

/// Why a worker ended by itself.
#[derive(Debug, Error)]
pub enum WorkerError {
    #[error("the backend cannot be used: {0}")]
    Refused(String),
    #[error("threads cannot be started: {0}")]
    Threads(#[from] std::io::Error),
}

impl Worker {
    /// A worker on this backend. What is not set has the default that the setter's documentation tells.
    ///
    /// ```no_run
    /// # use tidegate_worker::{Context, Job, JobFailure, Worker};
    /// # struct Greet;
    /// # impl Job for Greet {
    /// #     const TYPE: &'static str = "greet";
    /// #     type Input = String;
    /// #     type Progress = ();
    /// #     type Output = String;
    /// # }
    /// # async fn example(backend: tidegate_shared::backend::Backend) -> Result<(), Box<dyn std::error::Error>> {
    /// let shutdown = tokio_util::sync::CancellationToken::new();
    /// Worker::builder(backend)
    ///     .queue("greetings")
    ///     .concurrency(4)
    ///     .register(async |name: String, _: Context<Greet>| Ok::<_, JobFailure>(format!("Hello, {name}")))
    ///     .build()?
    ///     .run(shutdown)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(backend: Backend) -> WorkerBuilder {
        WorkerBuilder::new(backend)
    }

    pub fn id(&self) -> &WorkerId {
        &self.id
    }

    /// Runs until `shutdown` fires. Then it claims no more, tells its handlers, waits for them for the
    /// drain grace, gives back the jobs that are left, and returns.
    ///
    /// Waits for a backend that is away, at the start as later; returns an error if the backend is unfit.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), WorkerError> {
        let mut link = self.backend.broker.link();
        match shutdown.run_until_cancelled(reached(&mut link)).await {
            Some(reached) => reached?,
            None => return Ok(()),
        }
        let threads = Threads::start()?;
        let Some(handle) = threads.handle() else {
            return Ok(());
        };
        let threads_of_calls = handle.clone();
        let leases = Arc::new(Leases::default());
        let released = CancellationToken::new();
        let keeper = Keeper {
            jobs: Arc::clone(&self.backend.jobs),
            leases: Arc::clone(&leases),
            lease: self.lease,
            metrics: self.metrics.clone(),
        };
        keeper.spawn(released.clone())?;
        // Also when this future is dropped: leases must not outlive what they are for.
        let _release = released.drop_guard();

        let stopping = shutdown.child_token();
        let mut claims = Claims {
            jobs: Arc::clone(&self.backend.jobs),
            worker: self.id.clone(),
            queues: self.queues.clone(),
            concurrency: self.concurrency,
            lease: self.lease,
            runner: Arc::new(Runner {
                backend: self.backend.clone(),
                handlers: Arc::clone(&self.handlers),
                leases,
                metrics: self.metrics.clone(),
                threads: handle,
                stopping: stopping.clone(),
                abandon: CancellationToken::new(),
                grace: self.drain_grace,
                tracer: self.tracer.clone(),
            }),
            running: JoinSet::new(),
            turns: Turns::new(self.weights.iter().copied()),
        };
        tracing::info!(worker = %self.id, queues = ?self.queues, concurrency = self.concurrency, "worker started");
        let serving = self.serve(&threads_of_calls, &stopping);
        let has_handlers = self.handlers.types().next().is_some();
        let clock = Clock {
            backend: self.backend.clone(),
            queues: self.queues.clone(),
            of_file: self.schedules.clone(),
        };
        let ended = tokio::select! {
            () = claims.run(&stopping), if has_handlers => Ok(()),
            () = stopping.cancelled(), if !has_handlers => Ok(()),
            why = refused(&mut link) => Err(WorkerError::Refused(why)),
            () = reclaim::reclaim(
                Arc::clone(&self.backend.jobs),
                self.queues.clone(),
                self.lease,
                self.max_stalls,
            ), if has_handlers => Ok(()),
            () = clock.run(), if has_handlers => Ok(()),
            () = self.backlog.follow(Arc::clone(&self.backend.desk), &self.queues), if has_handlers => Ok(()),
        };
        stopping.cancel();
        tokio::join!(claims.drain(self.drain_grace), all(serving));
        tracing::info!(worker = %self.id, "worker ended");
        ended
    }
}

impl Worker {
    /// Serves every group of methods and does every duty until `stopping` fires.
    fn serve(&self, threads: &Handle, stopping: &CancellationToken) -> JoinSet<()> {
        let room = Arc::new(Semaphore::new(CALLS));
        let topics = Topics::new(self.backend.clone());
        let of_group = |group: &GroupOfMethods| Serving {
            calls: Arc::clone(&self.backend.calls),
            worker: self.id.clone(),
            group: group.clone(),
            topics: topics.clone(),
            room: Arc::clone(&room),
            threads: threads.clone(),
            stopping: stopping.clone(),
            grace: self.drain_grace,
        };
        let mut serving: JoinSet<()> = self.groups.iter().map(of_group).map(Serving::run).collect();
        for duty in &self.duties {
            serving.spawn_on(duty.clone().run(topics.clone(), stopping.clone()), threads);
        }
        serving
    }
}

async fn all(mut serving: JoinSet<()>) {
    while serving.join_next().await.is_some() {}
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

/// Resolves when the backend is there for the first time. That it is not is the backend's to say.
async fn reached(link: &mut watch::Receiver<Link>) -> Result<(), WorkerError> {
    let decided = link.wait_for(|link| matches!(link, Link::Up | Link::Refused(_)));
    match decided.await.as_deref() {
        Ok(Link::Refused(why)) => Err(WorkerError::Refused(why.clone())),
        Ok(_) => Ok(()),
        Err(_) => Err(WorkerError::Refused("it was closed".into())),
    }
}

/// Resolves when the backend turns out to be unfit.
async fn refused(link: &mut watch::Receiver<Link>) -> String {
    loop {
        if let Link::Refused(why) = &*link.borrow_and_update() {
            return why.clone();
        }
        if link.changed().await.is_err() {
            // Nobody tells any more; calls will fail, and say why.
            std::future::pending::<()>().await;
        }
    }
}
