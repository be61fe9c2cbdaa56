//! What a job's log must look like, whoever follows it and whatever dies meanwhile.

use anyhow::{Result, bail, ensure};
use serde_json::Value;

/// The `job` of a push is over.
pub fn is_over(push: &Value) -> bool {
    matches!(
        push["job"]["state"].as_str(),
        Some("succeeded" | "failed" | "cancelled")
    )
}

pub fn percent(push: &Value) -> f64 {
    push["job"]["percent"].as_f64().unwrap_or(0.0)
}

/// Checks entries of one job that end with its last: attempts only grow, the percentage only grows from one
/// claim to the next, there is one terminal entry and nothing after it. Gives the last job record.
pub fn audit(entries: &[Value]) -> Result<Value> {
    let (mut attempt, mut done) = (0, 0.0);
    for (index, entry) in entries.iter().enumerate() {
        let job = &entry["job"];
        let now = job["attempt"].as_u64().unwrap_or(0);
        ensure!(now >= attempt, "attempt {attempt} is followed by {now}: {entry}");
        // A job that was given back begins anew with the same attempt.
        if now > attempt || job["state"] == "queued" {
            (attempt, done) = (now, 0.0);
        }
        if job["state"] == "running" {
            let percent = percent(entry);
            ensure!((0.0..=100.0).contains(&percent), "{percent} percent: {entry}");
            ensure!(percent >= done, "from {done} percent back to {percent}: {entry}");
            done = percent;
        }
        ensure!(
            is_over(entry) == (index + 1 == entries.len()),
            "a terminal entry must be the last: {entry}"
        );
    }
    match entries.last() {
        Some(last) => Ok(last["job"].clone()),
        None => bail!("no entries at all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(state: &str, attempt: u64, percent: f64) -> Value {
        json!({ "job": { "state": state, "attempt": attempt, "percent": percent } })
    }

    #[test]
    fn an_honest_log_passes() {
        let log = [
            entry("running", 1, 40.0),
            entry("queued", 1, 40.0),
            entry("running", 2, 5.0),
            entry("succeeded", 2, 100.0),
        ];
        assert_eq!(audit(&log).expect("honest")["state"], "succeeded");
    }

    #[test]
    fn two_terminal_entries_or_a_falling_percentage_do_not_pass() {
        assert!(audit(&[entry("succeeded", 1, 100.0), entry("succeeded", 1, 100.0)]).is_err());
        assert!(
            audit(&[
                entry("running", 1, 40.0),
                entry("running", 1, 30.0),
                entry("failed", 1, 30.0)
            ])
            .is_err()
        );
        assert!(audit(&[entry("running", 1, 40.0)]).is_err());
    }
}
