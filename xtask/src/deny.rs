//! Licences, banned and doubled crates, sources and known vulnerabilities of the dependencies, by
//! cargo-deny. Installs it if it is missing.

use std::time::Duration;

use crate::command::{Run, cargo};
use crate::report::Report;

const VERSION: &str = "0.20.2";
const DATABASE: &str = "https://github.com/RustSec/advisory-db";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(report: &mut Report) {
    if installed().is_none() {
        // Unoptimised: half the time to build, and the checks still take a few seconds.
        let package = format!("cargo-deny@{VERSION}");
        let hint = "without a network, put the `cargo-deny` program into PATH by hand";
        let done = report.step("install deny", hint, || {
            cargo(&["install", "--locked", "--debug", &package]).run()
        });
        if !done {
            report.skip("dependencies", "cargo-deny is missing");
            return;
        }
    }
    report.step("dependencies", "deny.toml says what is allowed", || {
        cargo(&[
            "deny",
            "--workspace",
            "check",
            "--hide-inclusion-graph",
            "licenses",
            "bans",
            "sources",
        ])
        .run()
    });
    if database_answers() {
        report.step(
            "advisories",
            "update the crate, or argue an exception in deny.toml",
            || cargo(&["deny", "--workspace", "check", "advisories"]).run(),
        );
    } else {
        report.skip(
            "advisories",
            &format!("NOT CHECKED: {DATABASE} cannot be reached from here"),
        );
    }
}

fn installed() -> Option<String> {
    cargo(&["deny", "--version"]).quietly()
}

/// Asks git, as cargo-deny will.
fn database_answers() -> bool {
    Run::new("git", "git", &["ls-remote", "--exit-code", DATABASE, "HEAD"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .succeeds_within(PATIENCE)
}
