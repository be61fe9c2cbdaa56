//! What happens to a job, as an event.

use tidegate_shared::job::{JobRecord, JobState};
use tidegate_shared::json::RawJson;

use super::write;
use crate::dialect::iso;
use crate::dialect::json::Object;

/// A client with one buffer of 4,096 bytes loses what is longer. Texts are cut, and a result is left out,
/// so that everything else fits.
const MESSAGE_LIMIT: usize = 4_096;
const TEXT_LIMIT: usize = 512;
const RESULT_LIMIT: usize = 3_072;

pub(super) fn event(record: &RawJson, time_ms: u64, out: &mut Vec<u8>) {
    let Some(job) = JobRecord::from_json(record) else {
        return;
    };
    let start = out.len();
    one(&job, time_ms, job.result.as_ref(), out);
    if out.len() - start > MESSAGE_LIMIT {
        out.truncate(start);
        one(&job, time_ms, None, out);
    }
}

fn one(job: &JobRecord, time_ms: u64, result: Option<&RawJson>, out: &mut Vec<u8>) {
    let finished = iso::time(job.finished_at.unwrap_or(time_ms));
    match job.state {
        JobState::Queued | JobState::Scheduled if job.attempt == 0 => write("job:created", out, |out| {
            let mut data = Object::begin(out);
            data.text("jobId", &job_id(job));
            data.text("jobType", job.kind.as_str());
            data.text("createdAt", &iso::time(job.created_at));
            data.end();
        }),
        JobState::Queued | JobState::Scheduled | JobState::Retrying => progress(job, "QUEUED", time_ms, out),
        JobState::Running => progress(job, "RUNNING", time_ms, out),
        JobState::Succeeded => write("job:completed", out, |out| {
            let mut data = begin(job, out);
            if let Some(result) = result.filter(|result| result.size() <= RESULT_LIMIT) {
                data.raw("result", result);
            }
            data.text("completedAt", &finished);
            data.end();
        }),
        JobState::Failed => write("job:failed", out, |out| {
            let mut data = begin(job, out);
            data.text("error", cut(job.error.as_deref().unwrap_or("the job failed")));
            data.text("failedAt", &finished);
            data.end();
        }),
        JobState::Cancelled => write("job:cancelled", out, |out| {
            let mut data = begin(job, out);
            data.text("cancelledAt", &finished);
            data.end();
        }),
    }
}

fn progress(job: &JobRecord, status: &str, time_ms: u64, out: &mut Vec<u8>) {
    write("job:progress", out, |out| {
        let mut data = begin(job, out);
        data.text("status", status);
        if let Some(percent) = job.percent {
            data.value("percent", &Percent(percent.get()));
        }
        data.text("message", cut(job.message.as_deref().unwrap_or_default()));
        data.text("timestamp", &iso::time(time_ms));
        data.end();
    });
}

/// Whole numbers are written as such.
struct Percent(f64);

impl serde::Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 {
            #[expect(clippy::cast_possible_truncation, reason = "it is from 0 to 100")]
            to.serialize_i32(self.0 as i32)
        } else {
            to.serialize_f64(self.0)
        }
    }
}

fn begin<'a>(job: &JobRecord, out: &'a mut Vec<u8>) -> Object<'a> {
    let mut data = Object::begin(out);
    data.text("jobId", &job_id(job));
    data.text("jobRunId", &run_id(job));
    data
}

/// The UUID that ends the job's id.
fn job_id(job: &JobRecord) -> String {
    uuid(digits(job))
}

/// A UUID of the job and its attempt: the last 32 of the job's random bits, changed by the attempt's
/// number. Two attempts of a job never have the same.
fn run_id(job: &JobRecord) -> String {
    uuid(digits(job) ^ (u128::from(job.attempt) << 8 | 0xff))
}

fn digits(job: &JobRecord) -> u128 {
    let text = job.id.as_str().rsplit('.').next().unwrap_or_default();
    u128::from_str_radix(text, 16).unwrap_or_default()
}

fn uuid(bits: u128) -> String {
    uuid::Uuid::from_u128(bits).hyphenated().to_string()
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
