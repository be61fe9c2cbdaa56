//! All tests: with cargo-nextest if it is there, else with cargo's own runner; then the doctests.

use crate::command::{Run, cargo};
use crate::programs;
use crate::report::Report;

/// `filter` goes to the runner as it is.
pub(crate) fn run(report: &mut Report, filter: &[String]) {
    let programs = report.step("programs", "", programs::ensure);
    // The system tests start the binaries as processes of their own, which cargo does not know. Built
    // together with the tests, so that dependencies get the same features and are built once.
    let built = report.step("build", "", || {
        cargo(&["build", "--workspace", "--lib", "--bins", "--tests", "--locked"]).run()
    });
    if !(programs && built) {
        let why = if built {
            "programs are missing"
        } else {
            "the build failed"
        };
        report.skip("tests", why);
        return;
    }
    let filter: Vec<&str> = filter.iter().map(String::as_str).collect();
    report.step(
        "tests",
        "`cargo xtask test NAME` runs the tests with NAME in their name",
        || {
            let mut args = if has_nextest() {
                vec!["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]
            } else {
                println!("cargo-nextest is not installed; `cargo test` does as well, but shows less");
                vec![
                    "test",
                    "--workspace",
                    "--locked",
                    "--no-fail-fast",
                    "--lib",
                    "--bins",
                    "--tests",
                ]
            };
            args.extend(&filter);
            cargo(&args).run()
        },
    );
    if filter.is_empty() {
        report.step("doctests", "", || {
            cargo(&["test", "--workspace", "--locked", "--doc"]).run()
        });
    }
}

fn has_nextest() -> bool {
    Run::new("cargo-nextest", "cargo-nextest", &["nextest", "--version"])
        .quietly()
        .is_some()
}
