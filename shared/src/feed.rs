//! What happens, as events for systems that are told everything: names and payloads, no sockets. Whoever
//! tells of jobs live and whoever looks them up later say the same by it.
//!
//! Some clients have one small buffer and lose what is longer, so texts are cut to fit where that helps.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::iso;
use crate::job::{JobRecord, JobState, Percent};
use crate::json::RawJson;

/// The longest message that every client can take, in bytes: `{"event":…,"data":…}`.
pub const MESSAGE_LIMIT: usize = 4_096;
/// What stands around the data.
const AROUND: usize = r#"{"event":"job:completed","data":}"#.len();
/// A text in a message, and one that needs much room because most of it must be escaped.
const TEXT_LIMIT: usize = 3_072;
const ESCAPED_LIMIT: usize = 512;

/// What the concurrency key of a job begins with that concerns one instance: none of them runs together with
/// another.
pub const INSTANCE: &str = "instance:";

/// An event: what it is called and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: &'static str,
    pub data: RawJson,
}

/// What the last change of a job, at this time, is told as.
pub fn of_job(job: &JobRecord, time_ms: u64) -> Event {
    let fits = |event: &Event| event.data.size() + AROUND <= MESSAGE_LIMIT;
    let mut event = one(job, time_ms, TEXT_LIMIT, true);
    if !fits(&event) {
        event = one(job, time_ms, ESCAPED_LIMIT, true);
    }
    if !fits(&event) {
        event = one(job, time_ms, ESCAPED_LIMIT, false);
    }
    event
}

/// A text of at most so many bytes: one that is cut ends in an ellipsis.
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    const END: &str = "…";
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let mut end = limit.saturating_sub(END.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}{END}", &text[..end]))
}

/// A text cut so that all of a message may fit, first if little of it must be escaped, then in any case.
pub const CUTS: [usize; 2] = [TEXT_LIMIT, ESCAPED_LIMIT];

/// The UUID that ends the job's id.
pub fn job_id(job: &JobRecord) -> String {
    uuid(digits(job))
}

/// A UUID of the job and an attempt: the last bits of the job's, changed by the attempt's number. Two attempts
/// of a job never have the same. Before the first attempt it is told as that of the first.
pub fn run_id(job: &JobRecord) -> String {
    uuid(digits(job) ^ (u128::from(job.attempt.max(1)) << 8 | 0xff))
}

/// Which instance the job is about, if any.
pub fn instance_id(job: &JobRecord) -> Option<&str> {
    job.concurrency.as_ref()?.key().as_str().strip_prefix(INSTANCE)
}

/// The job's state in the words of such systems.
pub fn status(job: &JobRecord) -> &'static str {
    match job.state {
        JobState::Queued | JobState::Scheduled | JobState::Retrying => "QUEUED",
        JobState::Running => "RUNNING",
        JobState::Succeeded => "COMPLETED",
        JobState::Failed => "FAILED",
        JobState::Cancelled => "CANCELLED",
    }
}

fn one(job: &JobRecord, time_ms: u64, limit: usize, with_result: bool) -> Event {
    let finished = || Some(iso::time(job.finished_at.unwrap_or(time_ms)));
    let ended = Ended {
        job_id: job_id(job),
        job_run_id: run_id(job),
        ..Ended::default()
    };
    match job.state {
        JobState::Queued | JobState::Scheduled if job.attempt == 0 => event(
            "job:created",
            &Submitted {
                job_id: job_id(job),
                job_type: job.kind.as_str(),
                instance_id: instance_id(job),
                created_at: iso::time(job.created_at),
            },
        ),
        JobState::Queued | JobState::Scheduled | JobState::Retrying | JobState::Running => event(
            "job:progress",
            &Progressed {
                job_id: job_id(job),
                job_run_id: run_id(job),
                status: status(job),
                percent: job.percent.map(Percentage),
                message: cut(job.message.as_deref().unwrap_or_default(), limit),
                timestamp: iso::time(time_ms),
            },
        ),
        JobState::Succeeded => event(
            "job:completed",
            &Ended {
                result: job
                    .result
                    .as_ref()
                    .filter(|result| with_result && !result.is_null()),
                completed_at: finished(),
                ..ended
            },
        ),
        JobState::Failed => event(
            "job:failed",
            &Ended {
                error: Some(cut(job.error.as_deref().unwrap_or("the job failed"), limit)),
                failed_at: finished(),
                ..ended
            },
        ),
        JobState::Cancelled => event(
            "job:cancelled",
            &Ended {
                cancelled_at: finished(),
                ..ended
            },
        ),
    }
}

fn event(name: &'static str, data: &impl Serialize) -> Event {
    // Texts, numbers and what is JSON already: it cannot fail.
    let data = RawJson::of(data).unwrap_or_else(|_| RawJson::null());
    Event { name, data }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Submitted<'a> {
    job_id: String,
    job_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<&'a str>,
    created_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progressed<'a> {
    job_id: String,
    job_run_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<Percentage>,
    message: Cow<'a, str>,
    timestamp: String,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended<'a> {
    job_id: String,
    job_run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<String>,
}

/// Whole numbers are written as such.
struct Percentage(Percent);

impl Serialize for Percentage {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let percent = self.0.get();
        if percent.fract() == 0.0 {
            #[expect(clippy::cast_possible_truncation, reason = "it is from 0 to 100")]
            to.serialize_i32(percent as i32)
        } else {
            to.serialize_f64(percent)
        }
    }
}

fn digits(job: &JobRecord) -> u128 {
    let text = job.id.as_str().rsplit('.').next().unwrap_or_default();
    u128::from_str_radix(text, 16).unwrap_or_default()
}

fn uuid(bits: u128) -> String {
    uuid::Uuid::from_u128(bits).hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_ends_in_an_ellipsis_and_stays_utf_8() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo…");
        assert_eq!(cut("ääää", 6), "ä…");
        assert_eq!(cut("ää", 1), "…");
    }
}
