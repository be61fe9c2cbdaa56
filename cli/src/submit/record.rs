//! A job's record, as far as it is shown.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What is shown of a job's record. Lenient, so that a newer gateway's records can be read.
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) state: String,
    #[serde(default)]
    pub(super) attempt: u32,
    #[serde(default)]
    pub(super) percent: Option<f64>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) result: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    started_at: Option<u64>,
    #[serde(default)]
    finished_at: Option<u64>,
}

impl Record {
    pub(super) fn topic(&self) -> String {
        format!("job:{}", self.id)
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.state.as_str(), "succeeded" | "failed" | "cancelled")
    }

    pub(super) fn succeeded(&self) -> bool {
        self.state == "succeeded"
    }

    /// How long the last attempt took.
    pub(super) fn took(&self) -> Option<Duration> {
        let millis = self.finished_at?.checked_sub(self.started_at?)?;
        Some(Duration::from_millis(millis))
    }
}
