//! What messages and idle connections cost, as a table: instructions, which are the same on a busy machine, and bytes.
//! Nothing fails by them: they are there to be compared with those of another version.

use crate::command::{Run, cargo, root};
use crate::report::Report;

const LOADTEST: &str = "target/debug/loadtest";
const SCENARIO: &str = "loadtest/scenarios/idle-few.toml";
const GATEWAY: &str = "target/debug/tidegate-gateway";

pub(crate) fn run(report: &mut Report) {
    report.step("instructions", "", || {
        // As the tests are built, so that nothing is built a second time.
        cargo(&[
            "bench",
            "--workspace",
            "--bench",
            "costs",
            "--profile",
            "dev",
            "--locked",
        ])
        .run()
    });
    // Both are there after the tests; alone this is no reason to build them.
    let there = [LOADTEST, GATEWAY].iter().all(|file| root().join(file).is_file());
    if there {
        report.step("memory of a connection", "", || {
            let arguments = ["run", SCENARIO, "--server", "tidegate", "--gateway", GATEWAY];
            tell(Run::new("loadtest", root().join(LOADTEST), &arguments));
            Ok(())
        });
    } else {
        report.skip(
            "memory of a connection",
            "not measured: needs `cargo build --workspace --bins`",
        );
    }
}

/// What a machine cannot measure, for want of a second core or of valgrind, is no fault of what is measured.
fn tell(run: Run) {
    if let Err(error) = run.run() {
        println!("not measured: {error:#}");
    }
}
