//! All five systems at once on the same two gateways and two workers, while gateways and workers are killed:
//! what each system's clients rely on holds throughout.
//!
//! Clients are as the systems' own are: they connect again after whatever end, and ask for nothing they
//! missed. Everything a client says and hears is in its log, and the rules are checked on the logs.

mod ark;
mod arma;
mod bedrock;
mod link;
mod mud;
mod pileup;

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::Stack;
use crate::served::served;
use crate::token::SECRET;
use crate::wait::until;
use link::{Event, Link, Said};

/// Between two faults.
const PAUSE: std::ops::Range<u64> = 2_000..6_000;
/// For everything to be level after the last fault.
const SETTLE: Duration = Duration::from_secs(30);

/// What the endpoints of the five systems need.
pub const SETTINGS: &str = include_str!("../../tests/golden/settings.toml");
/// What applications are told by their environment.
pub const ENVIRONMENT: [(&str, &str); 2] = [("ADMIN_USERNAME", "admin"), ("ADMIN_PASSWORD", "Letmein!")];

/// One of each group of methods that the systems' clients need.
const METHODS: [&str; 3] = ["mud.chat", "pileup.system.ping", "ark.create_job"];

#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub gateways_killed: u32,
    pub workers_killed: u32,
    /// What was checked, in words and numbers.
    pub lines: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} gateways and {} workers killed",
            self.seed, self.gateways_killed, self.workers_killed
        )?;
        self.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Lets all five run for so long, and then for as long as it takes until all is level.
pub async fn run(stack: &mut Stack, seed: u64, length: Duration) -> Result<Report> {
    ensure!(
        SETTINGS.contains(SECRET),
        "the tokens are signed with another secret"
    );
    let port = stack.nginx.port;
    served(port, &METHODS).await?;
    let worlds = stack.worlds();
    let mut arma = arma::Arma::start(port, seed);
    let mut pileup = pileup::Pileup::start(port, seed);
    let mut mud = mud::Mud::start(port);
    let mut ark = ark::Ark::start(port);
    let mut bedrock = bedrock::Bedrock::start(port, &worlds);
    let mut chance = StdRng::seed_from_u64(seed);
    let mut report = Report {
        seed,
        gateways_killed: 0,
        workers_killed: 0,
        lines: Vec::new(),
    };
    let end = Instant::now() + length;
    // One of each at least, however short it is.
    while Instant::now() < end || report.gateways_killed == 0 || report.workers_killed == 0 {
        sleep(Duration::from_millis(chance.random_range(PAUSE))).await;
        let which = chance.random_range(0..2);
        if report.gateways_killed > report.workers_killed {
            stack.replace_worker(which).await?;
            report.workers_killed += 1;
        } else {
            stack.replace_gateway(which).await?;
            report.gateways_killed += 1;
        }
    }
    for quiet in [
        &mut arma.play,
        &mut pileup.play,
        &mut mud.play,
        &mut ark.play,
        &mut bedrock.play,
    ] {
        quiet.stop().await;
    }
    report.lines.push(arma.check().await.context("the live map")?);
    report.lines.push(pileup.check().await.context("Pileup Buster")?);
    report.lines.push(mud.check().await.context("the MUD")?);
    report.lines.push(ark.check().await.context("the control plane")?);
    report
        .lines
        .push(bedrock.check().await.context("the server manager")?);
    Ok(report)
}

/// What makes the clients of a system do something, until it is stopped.
struct Play(Option<tokio::task::JoinHandle<()>>);

impl Play {
    fn start(play: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(tokio::spawn(play)))
    }

    async fn stop(&mut self) {
        if let Some(play) = self.0.take() {
            play.abort();
            let _ = play.await;
        }
    }
}

/// Asks by HTTP until somebody answers: in between, a gateway may be dead.
async fn post(port: u16, path: &str, body: &Value) -> Result<Value> {
    let asking = async {
        loop {
            match crate::stack::post(port, path, body).await {
                Ok((status, answer)) if status < 300 => return Ok(answer),
                Ok((status, answer)) if status < 500 && status != 429 => {
                    bail!("{path}: {status} {answer}")
                }
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    timeout(SETTLE, asking)
        .await
        .with_context(|| format!("{path}: nobody answered"))?
}

/// The value at a path of keys.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, key| &value[key])
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}
