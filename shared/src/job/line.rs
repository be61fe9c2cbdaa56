//! What a handler writes down while it works, for who follows the job.

use serde::{Deserialize, Serialize};

use crate::json::RawJson;
use crate::name::EventName;
use crate::publication::Body;

/// The `event` of the messages that log lines are on a job's topic.
pub const LOG_EVENT: &str = "log";
/// Longest message of a log line, in bytes; the rest is cut off, at a character boundary.
pub const LINE_LIMIT: usize = 4 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// One line, as its message's `data` on the job's topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub level: LogLevel,
    pub message: String,
}

impl LogLine {
    /// Cuts the message off at its limit.
    pub fn new(level: LogLevel, message: impl Into<String>) -> Self {
        let mut message = message.into();
        let mut end = message.len().min(LINE_LIMIT);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        Self { level, message }
    }

    /// The line that a publication on a job's topic is, if it is one.
    pub fn of(body: &Body) -> Option<Self> {
        match body {
            Body::Message { data, event }
                if event.as_ref().is_some_and(|event| event.as_str() == LOG_EVENT) =>
            {
                serde_json::from_str(data.as_str()).ok()
            }
            _ => None,
        }
    }

    /// The publication that the line is.
    pub(crate) fn body(&self) -> Option<Body> {
        Some(Body::Message {
            data: RawJson::of(self).ok()?,
            event: Some(EventName::parse(LOG_EVENT).ok()?),
        })
    }
}
