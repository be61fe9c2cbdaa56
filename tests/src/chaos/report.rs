//! The report of a run, as JSON and as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::book::Sums;

#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub rounds: u32,
    pub seconds: f64,
    pub sums: Sums,
    /// What the gateways counted.
    pub metrics: BTreeMap<String, f64>,
}

impl Report {
    pub fn json(&self) -> Value {
        let told = &self.sums.told;
        json!({
            "seed": self.seed,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "faults": self.sums.faults,
            "counters": self.sums.counters,
            "publications_known": self.sums.publications_known,
            "deliveries": told.entries,
            "recovered": told.recovered,
            "not_recovered": told.unrecovered,
            "repairs": self.repairs(),
            "lagged": told.lagged,
            "lagged_offsets": told.lagged_offsets,
            "skipped": told.skipped,
            "resets": told.resets,
            "worst_silence_seconds": self.sums.worst_silence.length.as_secs_f64(),
            "worst_silence_of": self.sums.worst_silence.of,
            "gateways": self.metrics,
            "violations": self.sums.violations,
        })
    }

    /// Holes that the gateways closed from the log.
    fn repairs(&self) -> f64 {
        let repaired = self.metrics.get("gaps_total{outcome=\"repaired\"}");
        repaired.copied().unwrap_or_default()
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        let told = &self.sums.told;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "chaos, seed {}: {} rounds in {:.0} s, {} violations\n",
            self.seed,
            self.rounds,
            self.seconds,
            self.sums.violations.len()
        );
        for (kind, count) in &self.sums.faults {
            let _ = writeln!(text, "{count:>9}  {kind}");
        }
        let _ = writeln!(text);
        for (what, count) in &self.sums.counters {
            let _ = writeln!(text, "{count:>9}  {what}");
        }
        let lines = [
            (self.sums.publications_known as u64, "publications known"),
            (told.entries, "deliveries"),
            (told.recovered, "recovered: true"),
            (told.unrecovered, "recovered: false"),
            (told.lagged, "lagged"),
            (told.lagged_offsets, "offsets in lagged ranges"),
            (told.skipped, "publications left out for newer ones"),
            (told.resets, "resets"),
        ];
        for (count, what) in lines {
            let _ = writeln!(text, "{count:>9}  {what}");
        }
        let _ = writeln!(text, "{:>9}  repairs", self.repairs());
        for (name, value) in &self.metrics {
            let _ = writeln!(text, "{value:>9}  {name}");
        }
        let silence = self.sums.worst_silence.length.as_secs_f64();
        let _ = writeln!(
            text,
            "{silence:>8.1}s  worst silence after service was back ({})",
            self.sums.worst_silence.of
        );
        text.push_str(&self.sums.worst_silence.events);
        for violation in &self.sums.violations {
            let _ = writeln!(text, "\nVIOLATION at {violation}");
        }
        text
    }

    /// `seed-N.json` and `seed-N.txt`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(&self.json())?;
        fs::write(folder.join(format!("seed-{}.json", self.seed)), json)?;
        Ok(fs::write(
            folder.join(format!("seed-{}.txt", self.seed)),
            self.text(),
        )?)
    }
}
