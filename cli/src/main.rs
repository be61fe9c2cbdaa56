//! The `tidegate` binary: everything in one process for trying it out, and client tools for a terminal.

mod api;
mod args;
mod cancel;
mod check;
mod client;
mod desk;
mod dev;
mod failure;
mod input;
mod output;
mod publish;
mod submit;
mod subscribe;
mod token;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::failed("no runtime", &error))?;
    let code = runtime.block_on(async {
        match command {
            Command::Dev(dev) => Box::pin(dev::run(dev, &environment)).await,
            Command::Sub(sub) => subscribe::run(sub).await,
            Command::Pub(publish) => publish::run(publish).await,
            Command::Submit(submit) => submit::run(submit).await,
            Command::Cancel(cancel) => cancel::run(cancel).await,
            Command::Jobs(jobs) => desk::jobs(jobs).await,
            Command::Queues(queues) => desk::queues(queues).await,
            Command::Token(token) => token::run(&token, &environment),
            Command::Check(check) => check::run(check, &environment).await,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}
