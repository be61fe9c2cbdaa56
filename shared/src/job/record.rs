use std::fmt;

use serde::{Deserialize, Serialize};

use crate::job::{Concurrency, JobId};
use crate::json::RawJson;
use crate::name::{JobType, QueueName, UserId};

/// Where a job is in its life. `scheduled` and `retrying` wait for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Scheduled,
    Queued,
    Running,
    Retrying,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobState {
    /// Nothing can happen to the job any more. Each job has exactly one such log entry, its last.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// What a snapshot or a log entry says, without reading the rest of it.
    pub fn of_record(json: &RawJson) -> Option<Self> {
        #[derive(Deserialize)]
        struct Part {
            state: JobState,
        }
        let part: Option<Part> = serde_json::from_str(json.as_str()).ok();
        part.map(|part| part.state)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much of a job is done: 0 to 100, kept to two decimals.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Percent(f64);

impl Percent {
    /// Clamps; what is no number counts as 0.
    pub fn new(value: f64) -> Self {
        if value.is_nan() {
            Self(0.0)
        } else {
            Self((value.clamp(0.0, 100.0) * 100.0).round() / 100.0)
        }
    }

    /// `done` of `total`; a total of 0 is all done.
    #[expect(clippy::cast_precision_loss, reason = "two decimals are kept")]
    pub fn of(done: u64, total: u64) -> Self {
        if total == 0 {
            Self(100.0)
        } else {
            Self::new(done as f64 / total as f64 * 100.0)
        }
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for Percent {
    fn from(value: f64) -> Self {
        Self::new(value)
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

/// 0 to 9, higher first; 5 unless given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Priority(u8);

impl Priority {
    pub const HIGHEST: u8 = 9;

    pub fn new(value: u64) -> Option<Self> {
        u8::try_from(value)
            .ok()
            .filter(|value| *value <= Self::HIGHEST)
            .map(Self)
    }

    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u64> for Priority {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        let highest = Self::HIGHEST;
        Self::new(value).ok_or_else(|| format!("{value} is no priority: 0 to {highest} are, higher first"))
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

/// A job as clients see it: the snapshot of its topic and the content of each of its log entries.
/// Times are milliseconds since 1970, by the backend's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    pub id: JobId,
    #[serde(rename = "type")]
    pub kind: JobType,
    pub queue: QueueName,
    pub state: JobState,
    /// 0 before the first claim, then counting the claims; one that was released does not count, so the
    /// claim after it has the same number.
    pub attempt: u32,
    pub percent: Option<Percent>,
    /// What the handler last said it was doing.
    pub message: Option<String>,
    /// The handler's typed progress, as it last reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RawJson>,
    pub result: Option<RawJson>,
    /// Why the job, or so far its last attempt, has failed.
    pub error: Option<String>,
    /// What one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default = "max_attempts_default")]
    pub max_attempts: u32,
    /// Whom it does not run together with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    pub user: Option<UserId>,
    pub created_at: u64,
    /// Of the current or last attempt.
    pub started_at: Option<u64>,
    pub finished_at: Option<u64>,
    /// When it is due, while it is scheduled or retrying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<u64>,
    /// Somebody wants it to end, and its worker has not done so yet.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancelling: bool,
    /// It has failed, and can be tried again by hand.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dead_letter: bool,
    /// What it was submitted in, if that is traced: as the W3C writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// How often a job is tried unless it or its queue says otherwise.
pub const MAX_ATTEMPTS_DEFAULT: u32 = 3;

fn max_attempts_default() -> u32 {
    MAX_ATTEMPTS_DEFAULT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_false(value: &bool) -> bool {
    !value
}

impl JobRecord {
    /// From a snapshot or a log entry; `None` if it is not a record after all.
    pub fn from_json(json: &RawJson) -> Option<Self> {
        serde_json::from_str(json.as_str()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_clamped_and_rounded() {
        assert!((Percent::of(1, 3).get() - 33.33).abs() < f64::EPSILON);
        assert!((Percent::new(f64::INFINITY).get() - 100.0).abs() < f64::EPSILON);
        assert!(Percent::new(f64::NAN).get().abs() < f64::EPSILON);
        assert!((Percent::of(0, 0).get() - 100.0).abs() < f64::EPSILON);
    }
}
