//! `[[schedule]]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::mistake::{Wrong, echo};
use super::section::Section;
use super::value;
use crate::job::{
    ATTEMPTS_LIMIT, Concurrency, Missed, Priority, SCHEDULES, Schedule, ScheduledJob, TIME_LIMIT, Timing,
};
use crate::json::RawJson;
use crate::name::{ConcurrencyKey, JobType, QueueName, ScheduleName};

const MISSED: &[(&str, Missed)] = &[
    ("skip", Missed::Skip),
    ("once", Missed::Once),
    ("all", Missed::All),
];
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=TIME_LIMIT;
const EVERY: RangeInclusive<Duration> = Duration::from_millis(100)..=TIME_LIMIT;

pub(super) fn read(root: &mut Section<'_, '_, '_>) -> Vec<Schedule> {
    let mut schedules: Vec<Schedule> = Vec::new();
    root.each("schedule", |section| {
        let name = section.required("name", |text| {
            ScheduleName::parse(text)
                .map_err(|error| Wrong::new(error.to_string(), "write a name as \"nightly-backup\""))
        });
        let timing = timing(section);
        let missed = section.choice("missed", MISSED).unwrap_or_default();
        if !section.has("job") {
            let wrong = Wrong::new("it is missing", "add `job = { type = \"…\", data = { … } }`");
            section.wrong("job", section.place_of("job"), wrong);
        }
        let mut read = None;
        section.table("schedule.job", |section| read = job(section));
        let (Some(name), Some(timing), Some(job)) = (name, timing, read) else {
            return;
        };
        let wrong = if schedules.iter().any(|other| other.name == name) {
            Wrong::new(
                format!("the schedule {} comes twice", echo(name.as_str())),
                "give each a name of its own",
            )
        } else if schedules.len() == SCHEDULES {
            Wrong::new(
                "there are too many schedules",
                format!("at most {SCHEDULES} are allowed"),
            )
        } else {
            schedules.push(Schedule {
                name,
                timing,
                missed,
                job,
                from_file: true,
            });
            return;
        };
        section.wrong("name", section.place_of("name"), wrong);
    });
    schedules
}

fn timing(section: &mut Section<'_, '_, '_>) -> Option<Timing> {
    let every = section.time("every", &EVERY);
    let place = section.text("time_zone", |text| Ok(text.to_owned()));
    let cron = section.text("cron", |text| {
        Timing::cron(text, place.as_deref())
            .map_err(|what| Wrong::new(what, "see `schedule` in the documentation"))
    });
    let (has_every, has_cron) = (section.has("every"), section.has("cron"));
    let both = match (has_every, has_cron) {
        (true, true) => Some("there are both `every` and `cron`"),
        (false, false) => Some("there is neither `every` nor `cron`"),
        _ => None,
    };
    if let Some(what) = both {
        let help = "write one: `every = \"10m\"`, or `cron = \"30 3 * * *\"` with a `time_zone`";
        section.wrong("every", section.place_of("every"), Wrong::new(what, help));
        return None;
    }
    if has_every && section.has("time_zone") {
        let wrong = Wrong::new("an interval has no time zone", "remove it, or use `cron`");
        section.wrong("time_zone", section.place_of("time_zone"), wrong);
    }
    every.and_then(|every| Timing::every(every).ok()).or(cron)
}

fn job(section: &mut Section<'_, '_, '_>) -> Option<ScheduledJob> {
    let kind = section.required("type", |text| {
        JobType::parse(text).map_err(|error| Wrong::new(error.to_string(), "write a type as \"backup\""))
    });
    let data = section.json("data");
    let queue = match section.text("queue", value::queue) {
        Some(queue) => queue,
        None => QueueName::parse("default").ok()?,
    };
    let priority = section.number("priority", &(0..=Priority::HIGHEST.into()));
    let timeout = section.time("timeout", &TIMEOUT);
    let max_attempts = section.number("max_attempts", &(1..=ATTEMPTS_LIMIT.into()));
    let mut concurrency = None;
    section.table("schedule.job.concurrency", |section| {
        let key = section.text("key", |text| {
            ConcurrencyKey::parse(text)
                .map_err(|error| Wrong::new(error.to_string(), "write a key as \"tenant-7\""))
        });
        let limit = section.number("limit", &(1..=Concurrency::LIMIT.into()));
        concurrency = key.and_then(|key| Concurrency::new(key, limit.unwrap_or(1)));
    });
    Some(ScheduledJob {
        kind: kind?,
        data: data.unwrap_or_else(RawJson::null),
        queue,
        priority: priority.and_then(Priority::new).unwrap_or_default(),
        timeout_ms: timeout.and_then(|timeout| u64::try_from(timeout.as_millis()).ok()),
        max_attempts,
        concurrency,
    })
}
