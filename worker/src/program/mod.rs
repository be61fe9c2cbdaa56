//! A worker as a whole program: arguments, configuration, Redis, signals, exit code. What the binary
//! `tidegate-worker` is, and what a program with handlers of its own can be.

mod args;
mod check;
mod stop;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use prometheus::Registry;
use tidegate_shared::config::{Config, ConfigErrors};
use tidegate_shared::redis::{self, RedisMetrics, RedisUrlError};
use tidegate_shared::supervisor::Supervisor;
use tidegate_shared::telemetry;
use tidegate_shared::tls::TlsError;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::run::{RunError, serve};
use crate::worker::WorkerBuilder;
use args::Args;

/// Runs a worker with these handlers until the process is told to end: a `main` in one line. It
/// understands the flags, environment variables and configuration file of `tidegate-worker`, connects to
/// Redis, serves probes and metrics, drains on SIGTERM and SIGINT, and gives the exit code.
///
/// Only what `register` registers is served; [`built_in`](crate::built_in) registers what
/// `tidegate-worker` has.
///
/// ```no_run
/// # use tidegate_worker::{Context, Job, JobFailure};
/// # struct Greet;
/// # impl Job for Greet {
/// #     const TYPE: &'static str = "greet";
/// #     type Input = String;
/// #     type Progress = ();
/// #     type Output = String;
/// # }
/// async fn greet(name: String, _: Context<Greet>) -> Result<String, JobFailure> {
///     Ok(format!("Hello, {name}"))
/// }
///
/// fn main() -> std::process::ExitCode {
///     tidegate_worker::main(|worker, _config| worker.register(greet))
/// }
/// ```
pub fn main(register: impl FnOnce(WorkerBuilder, &Config) -> WorkerBuilder) -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new().context("threads cannot be started");
    match runtime.and_then(|runtime| runtime.block_on(worker(&args, register))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            let usage = error.is::<ConfigErrors>()
                || error.is::<RedisUrlError>()
                || error.is::<TlsError>()
                || matches!(error.downcast_ref(), Some(RunError::Tls(_)));
            ExitCode::from(if usage { ConfigErrors::EXIT_CODE } else { 1 })
        }
    }
}

async fn worker(
    args: &Args,
    register: impl FnOnce(WorkerBuilder, &Config) -> WorkerBuilder,
) -> anyhow::Result<()> {
    let environment = |name: &str| env::var(name).ok();
    let config = Config::load(args.config.as_deref(), &environment, args.overrides())?;
    telemetry::init(&config.telemetry)?;
    let shutdown = stop::on_signals().context("signals cannot be caught")?;
    let registry = Registry::new();
    let metrics = RedisMetrics::register(&registry)?;
    // It ends by being dropped: jobs that are under way need it after the signal to stop.
    let end = CancellationToken::new();
    let backend = redis::open(&config.redis, &config.namespaces, &metrics, end)?;
    if args.check {
        let types = register(WorkerBuilder::new(backend.clone()), &config).types();
        return check::check(args, &config, &types, &backend).await;
    }
    let address = config.worker.admin_listen;
    let admin = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve probes and metrics on {address}; choose another address with --admin-listen")
    })?;
    if let Some(systemd) = Supervisor::of(&environment).context("systemd cannot be told")? {
        tokio::spawn(systemd.follow(backend.broker.link(), shutdown.clone()));
    }
    serve(
        Arc::new(config),
        backend,
        Some(admin),
        registry,
        shutdown,
        register,
    )
    .await?;
    Ok(())
}
