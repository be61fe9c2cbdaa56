//! `loadtest run` puts load on a server that speaks Tidegate's native protocol, and tells what it cost; `loadtest limit`
//! is the server that does nothing but write, which no other can beat on the same machine.
//!
//! One thread, one epoll, clients of a few hundred bytes. Only ever talks to the address it is given.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod audit;
mod client;
mod driver;
mod frame;
mod limit;
mod process;
mod report;
mod scenario;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::driver::Driver;
use crate::process::Process;
use crate::scenario::Scenario;

#[derive(Parser)]
#[command(name = "loadtest", about = "Load on a gateway, and what it costs")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scenario and report
    Run {
        /// The scenario, as in loadtest/scenarios/
        #[arg(value_name = "FILE")]
        scenario: PathBuf,
        /// Where the server listens
        #[arg(long, default_value = "127.0.0.1:8080")]
        target: SocketAddr,
        /// Path of an endpoint that takes anonymous clients
        #[arg(long, default_value = "/ws")]
        path: String,
        /// The server's process, whose CPU time and memory are told
        #[arg(long)]
        pid: Option<u32>,
        /// Put the server on core 0 and this program on core 1
        #[arg(long, requires = "pid")]
        pin: bool,
        /// Write the report to this file as JSON, too
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Be the limit: upgrade connections, and write each publication to all of them, one write each
    Limit {
        #[arg(long, default_value = "127.0.0.1:8099")]
        listen: SocketAddr,
        /// Let up to 32 publications that came at once share one write
        #[arg(long)]
        batched: bool,
        /// End by itself after so many seconds
        #[arg(long, default_value_t = 600)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    match act(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Gives whether nothing was missing.
fn act(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        Command::Run {
            scenario,
            target,
            path,
            pid,
            pin,
            json,
        } => {
            let scenario = Scenario::read(&scenario)?;
            let server = pid.map(Process::of);
            if let (Some(server), true) = (&server, pin) {
                server.pin(0)?;
                Process::own().pin(1)?;
            }
            let report = Driver::new(scenario, target, &path, server)?.run()?;
            println!("{report}");
            if let Some(file) = json {
                std::fs::write(&file, serde_json::to_string_pretty(&report)?)
                    .with_context(|| file.display().to_string())?;
            }
            Ok(report.is_whole())
        }
        Command::Limit {
            listen,
            batched,
            seconds,
        } => limit::serve(listen, batched, seconds).map(|()| true),
    }
}
