//! Runs named steps, goes on after one that failed, and ends with a table of all of them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

pub(crate) struct Report {
    started: Instant,
    steps: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    Failed(String),
    /// Not done, and why.
    Skipped(String),
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            steps: Vec::new(),
        }
    }

    /// Runs a step and tells whether it passed. `hint` is shown when it did not.
    pub(crate) fn step(&mut self, name: &'static str, hint: &str, work: impl FnOnce() -> Result<()>) -> bool {
        println!("\n── {name} ──");
        let started = Instant::now();
        let outcome = match work() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                let hint = if hint.is_empty() {
                    String::new()
                } else {
                    format!("; {hint}")
                };
                let text = format!("{error:#}{hint}");
                println!("{name}: {text}");
                Outcome::Failed(text)
            }
        };
        let passed = matches!(outcome, Outcome::Passed);
        self.steps.push(Step {
            name,
            took: started.elapsed(),
            outcome,
        });
        passed
    }

    /// Notes that a step was not done.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        println!("\n── {name} ──\nnot done: {why}");
        self.steps.push(Step {
            name,
            took: Duration::ZERO,
            outcome: Outcome::Skipped(why.to_owned()),
        });
    }

    /// Prints the table. Fails if any step did.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n── result ──");
        for step in &self.steps {
            let (mark, text) = match &step.outcome {
                Outcome::Passed => ("ok  ", ""),
                Outcome::Failed(why) => ("FAIL", why.as_str()),
                Outcome::Skipped(why) => ("skip", why.as_str()),
            };
            println!("{mark}  {:<12} {:>8}  {text}", step.name, shown(step.took));
        }
        let failed = self
            .steps
            .iter()
            .filter(|step| matches!(step.outcome, Outcome::Failed(_)))
            .count();
        let total = shown(self.started.elapsed());
        if failed == 0 {
            println!("all passed in {total}");
            ExitCode::SUCCESS
        } else {
            println!("{failed} of {} steps failed, in {total}", self.steps.len());
            ExitCode::FAILURE
        }
    }
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_whole_and_the_others_still_run() {
        let mut report = Report::new();
        assert!(!report.step("first", "do that", || anyhow::bail!("broken")));
        assert!(report.step("second", "", || Ok(())));
        report.skip("third", "nothing to do");
        assert_eq!(report.steps.len(), 3);
        assert_eq!(report.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn a_skipped_step_fails_nothing() {
        let mut report = Report::new();
        report.skip("one", "not here");
        assert_eq!(report.finish(), ExitCode::SUCCESS);
    }
}
