//! What holds for the jobs of a queue: `[[queue]]`, and what `[worker]` says for all of them.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::mistake::{Wrong, echo};
use super::section::Section;
use super::value;
use crate::job::{QueuePolicy, Queues, Rate};
use crate::name::QueueName;

/// Of the first back-off step, and of what a job has to end when it is cancelled.
const STEP: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);
const GRACE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// The span of a rate.
const PERIOD: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);
const RETENTION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);

/// The part of `[worker]` that concerns all queues.
pub(super) fn all(section: &mut Section<'_, '_, '_>, policy: &mut QueuePolicy) {
    if let Some(base) = section.time("retry_base", &STEP) {
        policy.retry_base = base;
    }
    if let Some(grace) = section.time("cancel_grace", &GRACE) {
        policy.cancel_grace = grace;
    }
}

pub(super) fn named(root: &mut Section<'_, '_, '_>, policy: &QueuePolicy) -> Queues {
    let mut queues: Vec<(QueueName, QueuePolicy)> = Vec::new();
    root.each("queue", |section| {
        let name = section.required("name", value::queue);
        let max_attempts = section.number("max_attempts", &(1..=1_000));
        let retention = section.time("retention", &RETENTION);
        let max_running = section.number("max_running", &(0..=1_000_000));
        let rate = rate(section);
        let Some(name) = name else { return };
        if queues.iter().any(|(other, _)| *other == name) {
            let wrong = Wrong::new(
                format!("the queue {} comes twice", echo(name.as_str())),
                "put all its keys into one section",
            );
            section.wrong("name", section.place_of("name"), wrong);
            return;
        }
        let policy = QueuePolicy {
            max_attempts: max_attempts.unwrap_or(policy.max_attempts),
            retention: retention.unwrap_or(policy.retention),
            max_running: max_running.unwrap_or(policy.max_running),
            rate,
            ..policy.clone()
        };
        queues.push((name, policy));
    });
    Queues::new(policy.clone(), queues)
}

/// How many jobs may begin in a period; 0 or absent: any number.
fn rate(section: &mut Section<'_, '_, '_>) -> Option<Rate> {
    let limit = section.number("rate_limit", &(0..=Rate::LIMIT.into()));
    let period = section.time("rate_period", &PERIOD);
    if section.has("rate_period") && !section.has("rate_limit") {
        let wrong = Wrong::new(
            "this is the span of a rate that is not given",
            "say with `rate_limit` how many jobs may begin in it",
        );
        section.wrong("rate_period", section.place_of("rate_period"), wrong);
    }
    limit.filter(|limit| *limit > 0).map(|limit| Rate {
        limit,
        period: period.unwrap_or(Duration::from_secs(1)),
    })
}
