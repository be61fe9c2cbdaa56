//! `tidegate-worker`: reads its arguments, builds one worker, runs it, and says how it went.

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
use tidegate_shared::telemetry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    match worker(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            let usage = error.is::<ConfigErrors>() || error.is::<RedisUrlError>();
            ExitCode::from(if usage { ConfigErrors::EXIT_CODE } else { 1 })
        }
    }
}

async fn worker(args: &Args) -> anyhow::Result<()> {
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
        return check::check(args, &config, &backend).await;
    }
    let address = config.worker.admin_listen;
    let admin = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve probes and metrics on {address}; choose another address with --admin-listen")
    })?;
    tidegate_worker::run(Arc::new(config), backend, Some(admin), registry, shutdown).await?;
    Ok(())
}
