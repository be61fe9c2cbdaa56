//! What clients are told.

use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::{JobRecord, JobState};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::EventName;
use tidegate_shared::topic::Topic;

use super::known::{ALL, EVENT, MONITOR};
use crate::dialect::json::Object;
use crate::dialect::{Reply, RequestId};

/// What an answer's id begins with: the client's topic follows.
pub(super) const NOW: char = '+';
pub(super) const NO_LONGER: char = '-';
/// The whole id of an answer about who the client is.
pub(super) const WHO: char = '?';
pub(super) const AUTHENTICATED: &str = "Authenticated successfully";

pub(super) fn status(status: &str, message: &str, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("status", status);
    object.text("message", message);
    object.end();
}

pub(super) fn answer(id: &RequestId, reply: &Reply, out: &mut Vec<u8>) {
    let topic = |sign: char| id.as_str().strip_prefix(sign);
    if let Reply::Failed(failure) = reply
        && failure.code != ErrorCode::AlreadySubscribed
    {
        status("error", &failure.message, out);
    } else if let Some(topic) = topic(NOW) {
        status("success", &format!("Subscribed to topic '{topic}'"), out);
    } else if let Some(topic) = topic(NO_LONGER) {
        status("success", &format!("Unsubscribed from topic '{topic}'"), out);
    } else if let Reply::Authenticated { .. } = reply {
        status("success", AUTHENTICATED, out);
    }
}

/// A job as the task that its user started.
pub(super) fn task(record: &RawJson, out: &mut Vec<u8>) {
    if let Some(job) = JobRecord::from_json(record) {
        write(&job, out);
    }
}

/// The same where it begins and where it is over. How far it is has no place in a task.
pub(super) fn turn(record: &RawJson, out: &mut Vec<u8>) {
    if let Some(job) = JobRecord::from_json(record)
        && !matches!(job.state, JobState::Running | JobState::Retrying)
    {
        write(&job, out);
    }
}

fn write(job: &JobRecord, out: &mut Vec<u8>) {
    let (status, message) = match job.state {
        JobState::Scheduled | JobState::Queued | JobState::Running | JobState::Retrying => {
            ("in_progress", "Task is running.")
        }
        JobState::Succeeded => ("success", "Task completed successfully."),
        JobState::Failed => ("error", job.error.as_deref().unwrap_or("Task failed.")),
        JobState::Cancelled => ("error", "Task was cancelled."),
    };
    let mut object = Object::typed(out, "task_update");
    object.text("topic", &format!("task:{}", job.id));
    let mut data = Object::begin(object.field("data"));
    data.text("status", status);
    data.text("message", message);
    match job.result.as_ref().filter(|_| job.state == JobState::Succeeded) {
        Some(result) => data.raw("result", result),
        None => data.raw("result", &RawJson::null()),
    }
    data.text("username", job.user.as_ref().map_or("", |user| user.as_str()));
    data.end();
    object.end();
}

/// The client's topic that a publication is about, wherever it was published.
pub(super) fn about<'a>(topic: &'a Topic, event: Option<&'a EventName>) -> Option<&'a str> {
    match topic.as_str().split_once(':')? {
        (_, ALL) => event.map(EventName::as_str),
        (_, name) => Some(name),
    }
}

pub(super) fn event(about: &str, data: &RawJson, out: &mut Vec<u8>) {
    let kind = if about.starts_with(MONITOR) {
        "resource_update"
    } else if about.starts_with(EVENT) {
        "event"
    } else {
        return;
    };
    let mut object = Object::typed(out, kind);
    object.text("topic", about);
    object.raw("data", data);
    object.end();
}
