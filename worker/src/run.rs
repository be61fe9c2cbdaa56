//! A worker's life as a program: the built-in handlers, the queues of the configuration, the admin port.
//!
//! Everything comes in as an argument, so that the binary, `tidegate dev` and the tests start the very
//! same thing. Installs no signal handler and reads no environment but the host's name.

use std::io;
use std::sync::Arc;

use prometheus::Registry;
use thiserror::Error;
use tidegate_shared::backend::Backend;
use tidegate_shared::config::Config;
use tidegate_shared::readiness::Readiness;
use tidegate_shared::telemetry::Build;
use tidegate_shared::tls::{Certificates, TlsError};
use tidegate_shared::trace::Tracer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Secured};
use crate::apps;
use crate::backup::BackupHandler;
use crate::call;
use crate::command::CommandHandler;
use crate::webhook::WebhookHandler;
use crate::worker::{BuildError, Worker, WorkerBuilder, WorkerError};

/// Of the host's name in the worker's id.
const NAME_LIMIT: usize = 63;

/// Why a worker could not start, or go on.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error("a metric cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the admin port failed: {0}")]
    Admin(#[from] io::Error),
}

/// Runs the built-in handlers on the configured queues until `shutdown` fires, then drains and returns.
/// Probes and metrics are served on `admin` until the end, if it is given.
///
/// ```no_run
/// # use std::sync::Arc;
/// # async fn example(backend: tidegate_shared::backend::Backend) -> Result<(), tidegate_worker::RunError> {
/// let shutdown = tokio_util::sync::CancellationToken::new();
/// let config = Arc::new(tidegate_shared::config::Config::default());
/// tidegate_worker::run(config, backend, None, prometheus::Registry::new(), shutdown).await
/// # }
/// ```
pub async fn run(
    config: Arc<Config>,
    backend: Backend,
    admin: Option<TcpListener>,
    registry: Registry,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    serve(config, backend, admin, registry, shutdown, built_in).await
}

/// Registers the built-in handlers, each with what the configuration allows it, and the applications that it
/// names.
pub fn built_in(worker: WorkerBuilder, config: &Config) -> WorkerBuilder {
    let settings = &config.worker;
    apps::register(call::register(worker), settings)
        .register(BackupHandler::new(settings.backup_roots.clone()))
        .register(WebhookHandler::new(&settings.webhook))
        .register(CommandHandler::new(settings.commands.clone()))
}

/// As [`run`], with handlers of one's own.
pub async fn serve(
    config: Arc<Config>,
    backend: Backend,
    admin: Option<TcpListener>,
    registry: Registry,
    shutdown: CancellationToken,
    register: impl FnOnce(WorkerBuilder, &Config) -> WorkerBuilder,
) -> Result<(), RunError> {
    Build::register(&registry)?;
    let link = backend.broker.link();
    let settings = &config.worker;
    let ended = CancellationToken::new();
    let _ended = ended.clone().drop_guard();
    let tracer = Tracer::start(
        &config.telemetry,
        "tidegate-worker",
        &host_name(),
        &registry,
        ended.clone(),
    )?;
    let mut builder = Worker::builder(backend)
        .name(host_name())
        .concurrency(settings.concurrency)
        .lease(settings.lease)
        .max_stalls(settings.max_stalls)
        .schedules(config.schedules.clone())
        .registry(registry.clone())
        .tracer(tracer);
    for queue in &settings.queues {
        builder = builder.weighted_queue(queue.name.as_str(), queue.weight);
    }
    let worker = register(builder, &config).build()?;

    let certificates = Certificates::of_port(settings.admin_tls.as_ref(), None, &ended)?;
    if let Some(admin) = &admin {
        let scheme = if certificates.is_some() { "https" } else { "http" };
        tracing::info!("probes and metrics on {scheme}://{}", admin.local_addr()?);
    }
    let readiness = Arc::new(Readiness::default());
    let router = admin::router(Arc::clone(&readiness), registry);
    let admin = async {
        match (admin, certificates) {
            (Some(listener), Some(certificates)) => {
                axum::serve(Secured::new(listener, certificates), router).await
            }
            (Some(listener), None) => axum::serve(listener, router).await,
            (None, _) => std::future::pending().await,
        }
    };
    let health = async {
        // An unfit backend ends the worker, which says why.
        readiness.follow(link).await;
        std::future::pending::<()>().await;
    };
    let draining = async {
        shutdown.cancelled().await;
        readiness.drain();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = worker.run(shutdown.clone()) => Ok(ended?),
        ended = admin => Ok(ended?),
        () = health => Ok(()),
        () = draining => Ok(()),
    }
}

/// As far as it can be part of a worker's id.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.chars().filter(plain).take(NAME_LIMIT).collect();
    if name.is_empty() { "worker".into() } else { name }
}
