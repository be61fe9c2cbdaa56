//! What a contributor runs: `cargo xtask test`, `cargo xtask chart`, `cargo xtask chaos` and `cargo xtask ci`.
//!
//! Relies on cargo and, for the system tests, on redis-server, nginx and chromium. Never changes a tracked
//! file, but by `cargo xtask generate`.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod chaos;
mod chart;
mod command;
mod costs;
mod deny;
mod programs;
mod report;
mod suite;

use std::process::ExitCode;

use clap::Parser;

use crate::command::cargo;
use crate::report::Report;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Checks of the Tidegate workspace"
)]
enum Task {
    /// Run all tests: unit, contract and system tests, then the examples in the documentation.
    ///
    /// Installs redis-server, nginx and chromium with apt-get where it may, else says how.
    Test {
        /// Handed to the test runner, for example a part of a test's name. Doctests are left out then.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filter: Vec<String>,
    },
    /// Faults of every kind over real processes, while clients audit what they are told.
    ///
    /// Writes a report to target/chaos/. The same seed makes the same faults.
    Chaos(chaos::Chaos),
    /// The Helm chart, `k8s/` and the alerts: lint, render, validate, compare.
    ///
    /// Uses `helm` where it is in PATH, else its engine from `PyPI`, installed under target/.
    Chart,
    /// Write the files that are made from others: references in docs/, the chart's values, k8s/.
    Generate,
    /// Instructions of the hot paths and memory of an idle connection, as tables. They fail nothing.
    Costs,
    /// Everything that must hold before a change is merged: format, lints, tests, dependencies.
    Ci,
}

fn main() -> ExitCode {
    let mut report = Report::new();
    match Task::parse() {
        Task::Test { filter } => suite::run(&mut report, &filter),
        Task::Chaos(chaos) => chaos.run(&mut report),
        Task::Chart => chart::run(&mut report),
        Task::Generate => chart::generate(&mut report),
        Task::Costs => costs::run(&mut report),
        Task::Ci => {
            report.step("format", "`cargo fmt --all` puts it right", || {
                cargo(&["fmt", "--all", "--check"]).run()
            });
            report.step("clippy", "every warning above counts as an error", || {
                cargo(&[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--locked",
                    "--",
                    "-D",
                    "warnings",
                ])
                .run()
            });
            suite::run(&mut report, &[]);
            costs::run(&mut report);
            chart::run(&mut report);
            deny::run(&mut report);
        }
    }
    report.finish()
}
