//! What the records of a job's log may say, one after the other: attempts only grow, and so does the
//! percentage from one claim to the next.

use serde_json::Value;

#[derive(Debug, Default)]
pub struct Steps {
    attempt: u64,
    percent: f64,
}

impl Steps {
    /// From this record on, whatever was before.
    pub fn begin(&mut self, record: &Value) {
        self.attempt = record["attempt"].as_u64().unwrap_or_default();
        self.percent = percent(record);
    }

    pub fn next(&mut self, record: &Value) -> Result<(), String> {
        let attempt = record["attempt"].as_u64().unwrap_or_default();
        if attempt < self.attempt {
            return Err(format!("attempt {} is followed by {attempt}", self.attempt));
        }
        let is_running = record["state"] == "running";
        if attempt == self.attempt && is_running && percent(record) < self.percent {
            return Err(format!(
                "from {} percent back to {} in attempt {attempt}",
                self.percent,
                percent(record)
            ));
        }
        self.attempt = attempt;
        // Whoever claims it next begins at nothing.
        self.percent = if is_running { percent(record) } else { 0.0 };
        Ok(())
    }
}

fn percent(record: &Value) -> f64 {
    record["percent"].as_f64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn log(records: &[(&str, u64, f64)]) -> Result<(), String> {
        let mut steps = Steps::default();
        for (state, attempt, percent) in records {
            steps.next(&json!({ "state": state, "attempt": attempt, "percent": percent }))?;
        }
        Ok(())
    }

    #[test]
    fn a_job_that_is_given_back_or_tried_again_begins_at_nothing() {
        let honest = [
            ("queued", 0, 0.0),
            ("running", 1, 0.0),
            ("running", 1, 40.0),
            ("queued", 1, 40.0),
            ("running", 1, 0.0),
            ("running", 2, 0.0),
            ("succeeded", 2, 100.0),
        ];
        assert_eq!(log(&honest), Ok(()));
    }

    #[test]
    fn an_attempt_or_a_percentage_that_falls_is_found() {
        assert!(log(&[("running", 2, 0.0), ("running", 1, 0.0)]).is_err());
        assert!(log(&[("running", 1, 40.0), ("running", 1, 30.0)]).is_err());
        let mut steps = Steps::default();
        steps.begin(&json!({ "state": "running", "attempt": 3, "percent": 70 }));
        assert!(
            steps
                .next(&json!({ "state": "running", "attempt": 3, "percent": 60 }))
                .is_err()
        );
        assert!(steps.next(&json!({ "state": "running", "attempt": 2 })).is_err());
    }
}
