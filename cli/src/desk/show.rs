//! The API's documents as people read them. Lenient: what is missing is left blank.

use std::time::Duration;

use serde_json::Value;
use tidegate_shared::clock::now_ms;

use super::table::Table;
use crate::failure::Failure;
use crate::output::{self, plain};

pub(super) fn jobs(document: &Value) -> Result<(), Failure> {
    let mut table = Table::new(["ID", "TYPE", "STATE", "TRIES", "DONE", "AGE", "WHAT"]);
    let now = now_ms();
    for job in list(document, "jobs") {
        table.row([
            text(&job["id"]),
            text(&job["type"]),
            state(job),
            format!("{}/{}", text(&job["attempt"]), text(&job["max_attempts"])),
            percent(&job["percent"]),
            ago(&job["created_at"], now),
            what(job),
        ]);
    }
    table.print()
}

pub(super) fn job(job: &Value) -> Result<(), Failure> {
    let now = now_ms();
    let line = |name: &str, value: String| {
        if value.is_empty() {
            return Ok(());
        }
        output::line(&format!("{name:<9} {}", plain(&value)))
    };
    line("id", text(&job["id"]))?;
    line("type", text(&job["type"]))?;
    line("queue", text(&job["queue"]))?;
    line("state", state(job))?;
    let tries = format!("{} of {}", text(&job["attempt"]), text(&job["max_attempts"]));
    line("attempt", tries)?;
    line("user", text(&job["user"]))?;
    line("done", percent(&job["percent"]))?;
    line("message", text(&job["message"]))?;
    line("error", text(&job["error"]))?;
    line("result", text(&job["result"]))?;
    for (name, field) in [
        ("created", "created_at"),
        ("started", "started_at"),
        ("finished", "finished_at"),
    ] {
        let ago = ago(&job[field], now);
        line(name, if ago.is_empty() { ago } else { format!("{ago} ago") })?;
    }
    if let Some(at) = job["run_at"].as_u64() {
        let left = Duration::from_millis(at.saturating_sub(now));
        line("due", format!("in {}", time(left)))?;
    }
    Ok(())
}

pub(super) fn attempts(document: &Value) -> Result<(), Failure> {
    let attempts = list(document, "attempts");
    if attempts.is_empty() {
        return output::line("no worker has tried it yet");
    }
    let mut table = Table::new(["TRY", "WORKER", "STARTED", "TOOK", "OUTCOME", "WHY"]);
    let now = now_ms();
    for one in attempts {
        let took = match (one["started_at"].as_u64(), one["ended_at"].as_u64()) {
            (Some(from), Some(to)) => time(Duration::from_millis(to.saturating_sub(from))),
            _ => String::new(),
        };
        let outcome = match one["outcome"].as_str() {
            Some("lost") => "lost: its lease ran out".to_owned(),
            _ => text(&one["outcome"]),
        };
        table.row([
            text(&one["attempt"]),
            text(&one["worker"]),
            format!("{} ago", ago(&one["started_at"], now)),
            took,
            outcome,
            text(&one["error"]),
        ]);
    }
    table.print()
}

pub(super) fn queues(document: &Value) -> Result<(), Failure> {
    let queues = list(document, "queues");
    if queues.is_empty() {
        return output::line("no queue has had a job yet");
    }
    let mut table = Table::new([
        "QUEUE",
        "QUEUED",
        "RUNNING",
        "RETRYING",
        "SCHEDULED",
        "DEAD",
        "OLDEST",
        "",
    ]);
    for queue in queues {
        let oldest = queue["oldest_ms"].as_u64();
        table.row([
            text(&queue["name"]),
            text(&queue["queued"]),
            text(&queue["running"]),
            text(&queue["retrying"]),
            text(&queue["scheduled"]),
            text(&queue["dead"]),
            oldest.map_or_else(String::new, |ms| time(Duration::from_millis(ms))),
            if queue["paused"] == true {
                "paused".into()
            } else {
                String::new()
            },
        ]);
    }
    table.print()
}

fn list<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn state(job: &Value) -> String {
    if job["dead_letter"] == true {
        return "dead".to_owned();
    }
    if job["cancelling"] == true {
        return "cancelling".to_owned();
    }
    text(&job["state"])
}

fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(String::new, |percent| format!("{percent:.0} %"))
}

/// Why it failed, or what it does.
fn what(job: &Value) -> String {
    if job["error"].is_string() {
        return text(&job["error"]);
    }
    text(&job["message"])
}

fn ago(at: &Value, now: u64) -> String {
    at.as_u64().map_or_else(String::new, |at| {
        time(Duration::from_millis(now.saturating_sub(at)))
    })
}

/// One unit is enough to see what is wrong.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_summed_up_in_a_few_words() {
        assert_eq!(state(&json!({"state": "failed", "dead_letter": true})), "dead");
        assert_eq!(
            state(&json!({"state": "running", "cancelling": true})),
            "cancelling"
        );
        assert_eq!(what(&json!({"message": "m", "error": "e"})), "e");
        assert_eq!(ago(&json!(1_000), 61_000), "1 min");
        assert_eq!(ago(&json!(null), 61_000), "");
        assert_eq!(time(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(percent(&json!(33.33)), "33 %");
    }
}
