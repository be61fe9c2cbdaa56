//! The guarantee of delivery under faults. The short form runs with all other tests; `cargo xtask chaos`
//! runs the long ones.
#![allow(clippy::print_stdout, reason = "output of a test is shown when it fails")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use system_tests::chaos::lives;
use system_tests::chaos::outage::{Absence, outage};
use system_tests::chaos::plan::Mode;
use system_tests::chaos::{Options, resume, rollout, run, stalled};
use system_tests::{stack, systems};

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
async fn all_five_systems_keep_their_word_while_gateways_and_workers_are_killed() -> Result<()> {
    let report = five(SEED, Duration::ZERO).await?;
    println!("{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; cargo xtask chaos --systems runs it"]
async fn all_five_systems_keep_their_word_for_minutes() -> Result<()> {
    let length = Duration::from_secs(60 * number("CHAOS_MINUTES", 10)?);
    let report = five(number("CHAOS_SEED", SEED)?, length).await?;
    println!("{report}");
    Ok(())
}

async fn five(seed: u64, length: Duration) -> Result<systems::Report> {
    let [name, password] = systems::ENVIRONMENT;
    let mut report = None;
    stack()
        .workers(2)
        .lease("3s")
        .settings(systems::SETTINGS)
        .environment(name.0, name.1)
        .environment(password.0, password.1)
        .deadline(length + Duration::from_secs(240))
        .run(async |stack| {
            report = Some(systems::run(stack, seed, length).await?);
            Ok(())
        })
        .await?;
    report.context("no report")
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
async fn every_job_ends_once_and_is_followed_to_its_end_in_a_round_of_faults() -> Result<()> {
    let options = lives::Options {
        seed: SEED,
        jobs: 60,
        rounds: 1,
        workers: 3,
        deadline: Duration::from_secs(240),
    };
    let report = lives::run(options).await?;
    println!("{}", report.text());
    ensure!(report.violations.is_empty(), "{}", report.text());
    ensure!(
        report.sums.stale_writes + report.sums.leases_lost > 0.0,
        "no worker lost a job:\n{}",
        report.text()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; cargo xtask chaos --jobs runs it"]
async fn every_one_of_many_jobs_ends_once_in_many_rounds_of_faults() -> Result<()> {
    let jobs = usize::try_from(number("CHAOS_JOBS", 5_000)?)?;
    let options = lives::Options {
        seed: number("CHAOS_SEED", SEED)?,
        jobs,
        rounds: (jobs / 500).max(1),
        workers: 4,
        deadline: Duration::from_secs(3_600),
    };
    let report = lives::run(options).await?;
    report.write(&reports())?;
    println!("{}", report.text());
    let seed = options.seed;
    ensure!(report.violations.is_empty(), "repeat it with --seed {seed}");
    ensure!(report.sums.stale_writes > 0.0, "no late write was refused");
    let (slowest, most) = (report.slowest_recovery(), lives::LEASE + lives::RECOVERY);
    ensure!(
        slowest <= most,
        "a job ran again only {slowest:?} after its worker was lost"
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing_refuses_nothing_and_cuts_nobody_twice() -> Result<()> {
    let options = rollout::Options {
        clients: 150,
        topics: 10,
        settings: "[drain]\ngrace = \"1s\"\nmax = \"60s\"\n",
        pause: Duration::from_millis(50),
        spread: false,
    };
    let report = rollout::measure(&options, None).await?;
    println!("{report:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; cargo xtask chaos --rollout runs it"]
async fn thousands_of_clients_outlive_a_rolling_restart_and_come_back_spread() -> Result<()> {
    let options = rollout::Options {
        clients: number("CHAOS_CLIENTS", 3_000)?,
        topics: 20,
        settings: "",
        pause: Duration::from_millis(400),
        spread: true,
    };
    let report = rollout::measure(&options, Some(&reports())).await?;
    println!("{report:#}");
    Ok(())
}
