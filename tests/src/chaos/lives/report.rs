//! The report of a run with jobs, as JSON and as text.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::faults::Sums;

#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub seconds: f64,
    pub sums: Sums,
    pub jobs: usize,
    /// Of the jobs, those that ended otherwise than they should.
    pub failed: usize,
    /// What followers were handed.
    pub entries: usize,
    pub reconnects: u64,
    pub further_attempts: u64,
    pub violations: Vec<String>,
}

impl Report {
    /// How long the slowest job took to go on after its worker was lost.
    pub fn slowest_recovery(&self) -> Duration {
        self.sums.recoveries.iter().max().copied().unwrap_or_default()
    }

    fn numbers(&self) -> [(f64, &'static str); 8] {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let of = |count: usize| count as f64;
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let (further, reconnects) = (self.further_attempts as f64, self.reconnects as f64);
        [
            (of(self.jobs), "jobs that ended once and were followed to the end"),
            (of(self.failed), "of them not succeeded"),
            (further, "attempts after the first"),
            (of(self.entries), "entries that followers were handed"),
            (reconnects, "times that a follower came back"),
            (of(self.sums.recoveries.len()), "jobs whose worker was lost"),
            (self.sums.stale_writes, "late writes refused"),
            (self.sums.leases_lost, "leases lost"),
        ]
    }

    pub fn json(&self) -> Value {
        json!({
            "seed": self.seed,
            "seconds": self.seconds,
            "faults": self.sums.faults,
            "jobs": self.jobs,
            "not_succeeded": self.failed,
            "further_attempts": self.further_attempts,
            "entries": self.entries,
            "reconnects": self.reconnects,
            "jobs_whose_worker_was_lost": self.sums.recoveries.len(),
            "slowest_recovery_seconds": self.slowest_recovery().as_secs_f64(),
            "stale_writes_rejected": self.sums.stale_writes,
            "leases_lost": self.sums.leases_lost,
            "violations": self.violations,
        })
    }

    pub fn text(&self) -> String {
        // Writing to a String cannot fail.
        let mut text = format!(
            "chaos of jobs, seed {}: {} jobs in {:.0} s, {} violations\n\n",
            self.seed,
            self.jobs,
            self.seconds,
            self.violations.len()
        );
        for (kind, count) in &self.sums.faults {
            let _ = writeln!(text, "{count:>9}  {kind}");
        }
        let _ = writeln!(text);
        for (count, what) in self.numbers() {
            let _ = writeln!(text, "{count:>9}  {what}");
        }
        let slowest = self.slowest_recovery().as_secs_f64();
        let lease = super::LEASE.as_secs();
        let _ = writeln!(
            text,
            "{slowest:>8.2}s  until the slowest of them ran again (lease {lease} s)"
        );
        for violation in &self.violations {
            let _ = writeln!(text, "\nVIOLATION: {violation}");
        }
        text
    }

    /// `jobs-seed-N.json` and `jobs-seed-N.txt`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let name = |ending: &str| folder.join(format!("jobs-seed-{}.{ending}", self.seed));
        fs::write(name("json"), serde_json::to_string_pretty(&self.json())?)?;
        Ok(fs::write(name("txt"), self.text())?)
    }
}
