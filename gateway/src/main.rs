//! `tidegate-gateway`: reads its arguments, builds one node, runs it, and says how it went.

mod args;
mod check;
mod stop;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use prometheus::Registry;
use tidegate_gateway::{Listeners, Options, RunError};
use tidegate_shared::backend::Backend;
use tidegate_shared::config::{Config, ConfigErrors};
use tidegate_shared::embedded::Store;
use tidegate_shared::redis::{self, RedisMetrics, RedisUrlError};
use tidegate_shared::supervisor::Supervisor;
use tidegate_shared::telemetry;
use tokio_util::sync::CancellationToken;

use crate::args::Args;

/// The system's lets the heap of a node grow for as long as clients come and go: what one leaves is cut up for others.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match node(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            let usage = error.is::<ConfigErrors>()
                || error.is::<RedisUrlError>()
                || error.downcast_ref().is_some_and(RunError::is_configuration);
            ExitCode::from(if usage { ConfigErrors::EXIT_CODE } else { 1 })
        }
    }
}

async fn node(args: &Args) -> anyhow::Result<()> {
    let environment = |name: &str| env::var(name).ok();
    let config = Config::load(args.config.as_deref(), &environment, args.overrides())?;
    config.check_gateway()?;
    telemetry::init(&config.telemetry)?;
    let registry = Registry::new();
    let shutdown = stop::on_signals().context("signals cannot be caught")?;
    if args.check {
        return check::check(args, &config, &backend(args, &config, &registry)?).await;
    }
    if let Err(error) = tidegate_gateway::raise_descriptor_limit() {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let listeners = Listeners::bind(&config)?;
    let backend = backend(args, &config, &registry)?;
    if let Some(systemd) = Supervisor::of(&environment).context("systemd cannot be told")? {
        tokio::spawn(systemd.follow(backend.broker.link(), shutdown.clone()));
    }
    let options = Options {
        registry,
        ..Options::default()
    };
    tidegate_gateway::run(listeners, backend, Arc::new(config), options, shutdown).await?;
    Ok(())
}

fn backend(args: &Args, config: &Config, registry: &Registry) -> anyhow::Result<Backend> {
    if args.embedded {
        return Ok(Store::new(config.namespaces.clone()).open());
    }
    let metrics = RedisMetrics::register(registry)?;
    // It ends by being dropped: requests under way need it after the signal to stop.
    let end = CancellationToken::new();
    Ok(redis::open(&config.redis, &config.namespaces, &metrics, end)?)
}
