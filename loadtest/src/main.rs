//! `loadtest run` puts load on a server and tells what it cost; `loadtest compare` does so with several by turns, other
//! products among them; `loadtest limit` is the server that does nothing but write, which no other can beat on the same
//! machine.
//!
//! One thread, one epoll, clients of a few hundred bytes. Only ever talks to the address it is given.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod audit;
mod client;
mod compare;
mod driver;
mod files;
mod frame;
mod handshake;
mod inflate;
mod limit;
mod measure;
mod protocol;
mod report;
mod scenario;
mod server;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::compare::Plan;
use crate::driver::{Driver, Target};
use crate::measure::Process;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::server::{Cores, Kind, Wanted};

/// What is compared unless scenarios are named: what speed is about.
const SCENARIOS: &str = "fan-out,fan-out-bursts,fan-out-bursts-large,fan-out-deflate,many-topics,connect,idle,idle-tls,latency,latency-half";

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
        /// Start this server for the run, and end it afterwards
        #[arg(long, value_enum, conflicts_with_all = ["target", "pid"])]
        server: Option<Kind>,
        /// Where a server listens that is there; several nodes by commas
        #[arg(long, value_delimiter = ',', default_value = "127.0.0.1:8080")]
        target: Vec<SocketAddr>,
        /// What it speaks
        #[arg(long, value_enum, default_value = "native")]
        protocol: protocol::Name,
        /// Path of an endpoint that takes anonymous clients [default: the protocol's usual one]
        #[arg(long)]
        path: Option<String>,
        /// Authority of its certificate, or that itself, as PEM; for scenarios with TLS
        #[arg(long, value_name = "FILE", conflicts_with = "server")]
        ca: Option<PathBuf>,
        /// The server's processes, whose CPU time and memory are told
        #[arg(long, value_delimiter = ',')]
        pid: Vec<u32>,
        /// Redis' process, whose CPU time is told
        #[arg(long)]
        redis_pid: Option<u32>,
        /// Put a server that is there on its core and this program on the other
        #[arg(long, requires = "pid")]
        pin: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        out: Out,
    },
    /// Run scenarios against several servers by turns; tell medians, ratios, and which goals are met
    Compare {
        /// Names of scenarios in loadtest/scenarios/, or files
        #[arg(long = "scenario", value_delimiter = ',', default_value = SCENARIOS)]
        scenarios: Vec<String>,
        /// The first is divided by each of the others
        #[arg(
            long = "server",
            value_enum,
            value_delimiter = ',',
            default_value = "tidegate,tidegate-no-log,limit,limit-batched,nats,nchan,nchan-redis,mosquitto,socketio,centrifugo"
        )]
        servers: Vec<Kind>,
        /// Another gateway to compare with, as `NAME=FILE`: before and after a change
        #[arg(long, value_name = "NAME=FILE")]
        also: Vec<String>,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// The folder of scenarios
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"))]
        folder: PathBuf,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        out: Out,
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

#[derive(Args)]
struct Place {
    /// The gateway that is started
    #[arg(long, default_value = "target/release/tidegate-gateway")]
    gateway: PathBuf,
    /// The core of the server
    #[arg(long, default_value_t = 0)]
    server_core: u32,
    /// The core of this program and of Redis
    #[arg(long, default_value_t = 1)]
    core: u32,
}

#[derive(Args)]
struct Out {
    /// Write the report to this file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report to this file as one page with plots, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
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
    files::raise_limit()?;
    match arguments.command {
        Command::Run {
            scenario,
            server,
            target,
            protocol,
            path,
            ca,
            pid,
            redis_pid,
            pin,
            place,
            out,
        } => {
            let scenario = Scenario::read(&scenario)?;
            let report = if let Some(kind) = server {
                Process::own().pin(place.core)?;
                Process::own().prefer();
                let wanted = place.wanted(kind).suited(&scenario);
                match compare::once(&scenario, wanted, place.cores())? {
                    Ok(report) => report,
                    Err(missing) => bail!(missing),
                }
            } else {
                let target = Target {
                    name: "server".into(),
                    addresses: target,
                    path: path.unwrap_or_else(|| protocol.path().into()),
                    protocol,
                    server: Process::of(&pid),
                    redis: Process::of(&Vec::from_iter(redis_pid)),
                    authority: ca.map(CertificateDer::from_pem_file).transpose()?,
                };
                if pin {
                    target.server.pin(place.server_core)?;
                    Process::own().pin(place.core)?;
                }
                Driver::new(scenario, target, None)?.run()?
            };
            println!("{report}");
            let whole = report.is_whole();
            out.write(&[], &[report])?;
            Ok(whole)
        }
        Command::Compare {
            scenarios,
            servers,
            also,
            rounds,
            folder,
            place,
            out,
        } => {
            let own = |kind: Kind| place.wanted(kind);
            let mut all: Vec<_> = servers.into_iter().map(own).collect();
            for one in &also {
                let (name, file) = one.split_once('=').context("--also: NAME=FILE")?;
                let mut wanted = own(Kind::Tidegate);
                (wanted.name, wanted.gateway) = (name.into(), file.into());
                all.insert(1.min(all.len()), wanted);
            }
            let plan = Plan {
                scenarios: compare::scenarios(&folder, &scenarios)?,
                servers: all,
                rounds,
                cores: place.cores(),
            };
            let comparison = plan.run()?;
            let tables = comparison.tables();
            for table in &tables {
                println!("{table}");
            }
            for note in &comparison.notes {
                println!("{note}");
            }
            out.write(&tables, &comparison.runs)?;
            Ok(comparison.runs.iter().all(Report::is_whole))
        }
        Command::Limit {
            listen,
            batched,
            seconds,
        } => limit::serve(listen, batched, seconds).map(|()| true),
    }
}

impl Place {
    fn cores(&self) -> Cores {
        Cores {
            server: self.server_core,
            rest: self.core,
        }
    }

    fn wanted(&self, kind: Kind) -> Wanted {
        use clap::ValueEnum as _;
        let name = kind.to_possible_value();
        Wanted {
            kind,
            name: name.map_or_else(String::new, |name| name.get_name().to_owned()),
            gateway: self.gateway.clone(),
            nodes: 1,
            masters: 0,
            queues: 0,
            deflate: false,
            tls: false,
        }
    }
}

impl Out {
    fn write(&self, tables: &[report::Table], runs: &[Report]) -> Result<()> {
        if let Some(file) = &self.json {
            let text = serde_json::to_string_pretty(runs)?;
            std::fs::write(file, text).with_context(|| file.display().to_string())?;
        }
        if let Some(file) = &self.html {
            let note = "CPU time and memory are the server's own, as the kernel counts them. Figures of one machine, \
                        measured by turns, can be compared; those of another cannot.";
            let page = report::page("Tidegate under load", note, tables, runs);
            std::fs::write(file, page).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}
