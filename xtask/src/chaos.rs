//! The long forms of the chaos suite, `tests/tests/chaos.rs`: it has the faults and the auditor, this
//! builds what they need and hands on the numbers.

use clap::Args;

use crate::command::cargo;
use crate::programs;
use crate::report::Report;

#[derive(Args)]
pub(crate) struct Chaos {
    /// How long; a round that has begun is finished.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    #[arg(long, default_value_t = 4)]
    seed: u64,
    /// Instead: kill one of two nodes with 2,000 clients, and measure when the last has resumed.
    #[arg(long, conflicts_with = "outage")]
    resume: bool,
    /// Instead: take Redis away for so many seconds, once paused and once killed.
    #[arg(long, value_name = "SECONDS")]
    outage: Option<u64>,
}

impl Chaos {
    pub(crate) fn run(&self, report: &mut Report) {
        let ready = report.step("programs", "", programs::ensure)
            && report.step("build", "", || {
                cargo(&["build", "--workspace", "--bins", "--locked"]).run()
            });
        if !ready {
            report.skip("chaos", "it could not be built");
            return;
        }
        let test = if self.resume {
            "all_clients_of_a_killed_node"
        } else if self.outage.is_some() {
            "while_redis_is_"
        } else {
            "nothing_is_lost_unnoticed_in_many"
        };
        let hint = format!("repeat it with --seed {}", self.seed);
        report.step("chaos", &hint, || {
            let args = ["test", "--package", "system-tests", "--locked", "--test", "chaos"];
            let own = ["--", test, "--include-ignored", "--nocapture"];
            cargo(&[&args[..], &own].concat())
                .env("CHAOS_MINUTES", &self.minutes.to_string())
                .env("CHAOS_SEED", &self.seed.to_string())
                .env(
                    "CHAOS_OUTAGE_SECONDS",
                    &self.outage.unwrap_or_default().to_string(),
                )
                .run()
        });
    }
}
