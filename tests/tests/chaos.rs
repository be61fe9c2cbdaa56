//! The guarantee of delivery under faults. The short form runs with all other tests; `cargo xtask chaos`
//! runs the long ones.
#![allow(clippy::print_stdout, reason = "output of a test is shown when it fails")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use system_tests::chaos::outage::{Absence, outage};
use system_tests::chaos::plan::Mode;
use system_tests::chaos::{Options, resume, run, stalled};

/// A fixed one, so that a failure of the short form is a change of the product.
const SEED: u64 = 4;

fn number(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}: no number: {text}")),
        Err(_) => Ok(default),
    }
}

fn mode() -> Result<Mode> {
    match std::env::var("CHAOS_REDIS").as_deref() {
        Ok("single") | Err(_) => Ok(Mode::Single),
        Ok("sentinel") => Ok(Mode::Sentinel),
        Ok("cluster") => Ok(Mode::Cluster),
        Ok(other) => bail!("CHAOS_REDIS: single, sentinel or cluster, not {other}"),
    }
}

fn reports() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/chaos")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_unnoticed_in_a_round_of_faults() -> Result<()> {
    let options = Options {
        seed: SEED,
        redis: Mode::Single,
        length: Duration::ZERO,
        subscribers: 12,
        publishers: 4,
    };
    let report = run(options).await?;
    println!("{}", report.text());
    ensure!(report.sums.violations.is_empty(), "{}", report.text());
    let told = &report.sums.told;
    ensure!(
        told.recovered > 0 && told.unrecovered + told.lagged + told.resets > 0,
        "nothing was put to the test:\n{}",
        report.text()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; cargo xtask chaos runs it"]
async fn nothing_is_lost_unnoticed_in_many_rounds_of_faults() -> Result<()> {
    let options = Options {
        seed: number("CHAOS_SEED", SEED)?,
        redis: mode()?,
        length: Duration::from_secs(60 * number("CHAOS_MINUTES", 10)?),
        subscribers: number("CHAOS_SUBSCRIBERS", 40)?,
        publishers: number("CHAOS_PUBLISHERS", 6)?,
    };
    let report = run(options).await?;
    report.write(&reports())?;
    println!("{}", report.text());
    ensure!(
        report.sums.violations.is_empty(),
        "repeat it with --seed {}",
        options.seed
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_paused_connections_stay_and_publishing_fails_within_a_second() -> Result<()> {
    let figures = outage(
        Absence::Paused,
        Duration::from_secs(number("CHAOS_OUTAGE_SECONDS", 8)?),
    )
    .await?;
    println!("{figures:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_down_connections_stay_and_publishing_fails_within_a_second() -> Result<()> {
    let figures = outage(
        Absence::Killed,
        Duration::from_secs(number("CHAOS_OUTAGE_SECONDS", 8)?),
    )
    .await?;
    println!("{figures:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; cargo xtask chaos --resume makes it"]
async fn all_clients_of_a_killed_node_resume_on_the_other() -> Result<()> {
    let report = resume::measure(number("CHAOS_CLIENTS", 2_000)?, &reports()).await?;
    println!("{report:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of a release; cargo xtask chaos --stalled makes it"]
async fn one_stalled_reader_costs_the_others_nothing_and_the_node_little() -> Result<()> {
    let options = stalled::Options {
        readers: number("CHAOS_CLIENTS", 1_000)?,
        length: Duration::from_secs(number("CHAOS_PHASE_SECONDS", 15)?),
    };
    let report = stalled::measure(&options, &reports()).await?;
    println!("{report:#}");
    Ok(())
}
