//! The long forms of the chaos suite, `tests/tests/chaos.rs`: it has the faults and the auditor, this
//! builds what they need and hands on the numbers.

use clap::Args;

use crate::command::cargo;
use crate::programs;
use crate::report::Report;

/// As the tests see it, which run in their package's folder.
const RELEASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release");

#[derive(Args)]
pub(crate) struct Chaos {
    /// How long; a round that has begun is finished.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    #[arg(long, default_value_t = 4)]
    seed: u64,
    /// What Redis is: one server behind a proxy, with a replica; a master under a Sentinel; or a Cluster.
    #[arg(long, default_value = "single", value_parser = ["single", "sentinel", "cluster"])]
    redis: String,
    /// With release builds of gateway and worker.
    #[arg(long)]
    release: bool,
    #[command(flatten)]
    instead: Instead,
}

/// What runs instead of faults of every kind over topics.
#[derive(Args)]
#[group(multiple = false)]
struct Instead {
    /// Instead: kill one of two nodes with 2,000 clients, and measure when the last has resumed.
    #[arg(long)]
    resume: bool,
    /// Instead: take Redis away for so many seconds, once paused and once killed.
    #[arg(long, value_name = "SECONDS")]
    outage: Option<u64>,
    /// Instead: measure what one stalled reader among 1,000 costs a release build and its other readers.
    #[arg(long)]
    stalled: bool,
    /// Instead: so many jobs, while workers are killed and stopped, Redis is restarted and gateways die.
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "5000")]
    jobs: Option<u64>,
    /// Instead: restart three nodes behind nginx one after the other, with so many clients.
    #[arg(long, value_name = "CLIENTS", num_args = 0..=1, default_missing_value = "3000")]
    rollout: Option<u64>,
    /// Instead: clients of all five systems at once, while gateways and workers are killed.
    #[arg(long)]
    systems: bool,
}

impl Instead {
    /// The name of the test, or how it begins.
    fn test(&self) -> &'static str {
        match self {
            Self { systems: true, .. } => "all_five_systems_keep_their_word_for_minutes",
            Self { jobs: Some(_), .. } => "every_one_of_many_jobs",
            Self { resume: true, .. } => "all_clients_of_a_killed_node",
            Self { stalled: true, .. } => "one_stalled_reader",
            Self { rollout: Some(_), .. } => "thousands_of_clients_outlive_a_rolling_restart",
            Self { outage: Some(_), .. } => "while_redis_is_",
            _ => "nothing_is_lost_unnoticed_in_many",
        }
    }
}

impl Chaos {
    pub(crate) fn run(&self, report: &mut Report) {
        let release = self.release || self.instead.stalled;
        let ready = report.step("programs", "", programs::ensure)
            && report.step("build", "", || Self::build(release));
        if !ready {
            report.skip("chaos", "it could not be built");
            return;
        }
        let test = self.instead.test();
        let hint = format!("repeat it with --seed {} --redis {}", self.seed, self.redis);
        let [jobs, outage] =
            [self.instead.jobs, self.instead.outage].map(|number| number.unwrap_or_default().to_string());
        report.step("chaos", &hint, || {
            let args = ["test", "--package", "system-tests", "--locked", "--test", "chaos"];
            // One after the other, as each of them takes all that there is.
            let own = ["--", test, "--include-ignored", "--nocapture", "--test-threads=1"];
            let mut run = cargo(&[&args[..], &own].concat())
                .env("CHAOS_MINUTES", &self.minutes.to_string())
                .env("CHAOS_SEED", &self.seed.to_string())
                .env("CHAOS_REDIS", &self.redis)
                .env("CHAOS_JOBS", &jobs)
                .env("CHAOS_OUTAGE_SECONDS", &outage);
            if let Some(clients) = self.instead.rollout {
                run = run.env("CHAOS_CLIENTS", &clients.to_string());
            }
            if release {
                run = run.env("TIDEGATE_BINARIES", RELEASE);
            }
            run.run()
        });
    }

    fn build(release: bool) -> anyhow::Result<()> {
        if release {
            let packages = ["--package", "tidegate-gateway", "--package", "tidegate-worker"];
            return cargo(&[&["build", "--release", "--locked"][..], &packages].concat()).run();
        }
        cargo(&["build", "--workspace", "--bins", "--locked"]).run()
    }
}
