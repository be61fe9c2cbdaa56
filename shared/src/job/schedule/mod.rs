//! Jobs that are submitted when their time comes, again and again.

mod timing;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::timing::{Clockwork, Timing};
use crate::job::{ATTEMPTS_LIMIT, Concurrency, JobDraft, JobError, JobId, Priority, TIME_LIMIT};
use crate::json::RawJson;
use crate::name::{JobType, QueueName, ScheduleName};

/// Most schedules there are.
pub const SCHEDULES: usize = 1_000;
/// A tick that is not older has not been missed, in milliseconds.
const LATE: u64 = 60_000;
/// Most missed ticks that are made up for; older ones are forgotten.
const MAKE_UP: usize = 1_000;
/// Most ticks of a schedule in one step.
const TICKS: usize = 64;

/// What to submit, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub struct Schedule {
    pub name: ScheduleName,
    pub timing: Timing,
    pub missed: Missed,
    pub job: ScheduledJob,
    /// A configuration file has it. Workers take away what their file does not have any more.
    pub from_file: bool,
}

/// What becomes of ticks at which no worker was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are forgotten, unless the last is less than a minute ago.
    #[default]
    Skip,
    /// One job is submitted for all of them.
    Once,
    /// Each has its job: the newest thousand of them.
    All,
}

/// The job of each tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledJob {
    #[serde(rename = "type")]
    pub kind: JobType,
    #[serde(default = "RawJson::null")]
    pub data: RawJson,
    pub queue: QueueName,
    #[serde(default)]
    pub priority: Priority,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
}

/// As it is on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelled {
    name: ScheduleName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default)]
    missed: Missed,
    job: ScheduledJob,
    #[serde(default)]
    from_file: bool,
}

impl TryFrom<Spelled> for Schedule {
    type Error = String;

    fn try_from(spelled: Spelled) -> Result<Self, String> {
        let timing = match (spelled.every_ms, spelled.cron) {
            (Some(every), None) if spelled.time_zone.is_none() => {
                Timing::every(Duration::from_millis(every))?
            }
            (None, Some(cron)) => Timing::cron(&cron, spelled.time_zone.as_deref())?,
            (Some(_), None) => return Err("`time_zone` belongs to `cron`: an interval has none".into()),
            _ => return Err("give either `every_ms` or `cron`".into()),
        };
        let job = spelled.job;
        if job
            .timeout_ms
            .is_some_and(|ms| Duration::from_millis(ms) > TIME_LIMIT)
        {
            return Err(format!("`timeout_ms` is at most {}", TIME_LIMIT.as_millis()));
        }
        if job
            .max_attempts
            .is_some_and(|most| !(1..=ATTEMPTS_LIMIT).contains(&most))
        {
            return Err(format!("`max_attempts` is 1 to {ATTEMPTS_LIMIT}"));
        }
        Ok(Self {
            name: spelled.name,
            timing,
            missed: spelled.missed,
            job,
            from_file: spelled.from_file,
        })
    }
}

impl From<Schedule> for Spelled {
    fn from(schedule: Schedule) -> Self {
        let every = schedule.timing.interval();
        let clock = schedule.timing.clock();
        Self {
            every_ms: every.map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX)),
            cron: clock.map(|(text, _)| text.to_owned()),
            time_zone: clock.map(|(_, place)| place.to_owned()),
            name: schedule.name,
            missed: schedule.missed,
            job: schedule.job,
            from_file: schedule.from_file,
        }
    }
}

/// What is to be done about a schedule now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    /// The oldest first, at most [`TICKS`].
    pub(crate) ticks: Vec<u64>,
    /// The first tick after those that are done with.
    pub(crate) next: Option<u64>,
}

impl Schedule {
    /// `from` is the first tick that is not done with.
    pub(crate) fn due(&self, from: u64, now: u64) -> Due {
        let most = match self.missed {
            Missed::Skip | Missed::Once => 1,
            Missed::All => MAKE_UP,
        };
        let mut ticks = Vec::new();
        let mut until = now;
        while ticks.len() < most
            && let Some(tick) = self.timing.last_until(until).filter(|tick| *tick >= from)
        {
            ticks.push(tick);
            let Some(before) = tick.checked_sub(1) else { break };
            until = before;
        }
        if self.missed == Missed::Skip {
            ticks.retain(|tick| now - tick < LATE);
        }
        ticks.reverse();
        let next = match ticks.get(TICKS) {
            Some(tick) => Some(*tick),
            None => self.timing.next_after(now),
        };
        ticks.truncate(TICKS);
        Due { ticks, next }
    }

    /// The job of a tick, the same however often it is asked for.
    pub(crate) fn draft(&self, tick: u64) -> JobDraft {
        let job = &self.job;
        JobDraft {
            id: JobId::of_tick(&job.queue, &self.name, tick),
            priority: job.priority,
            timeout: job.timeout_ms.map(Duration::from_millis),
            max_attempts: job.max_attempts,
            concurrency: job.concurrency.clone(),
            ..JobDraft::new(&job.queue, job.kind.clone(), job.data.clone())
        }
    }
}

/// A schedule and when its next tick is; absent if there is none any more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    #[serde(flatten)]
    pub schedule: Schedule,
    pub next_at: Option<u64>,
}

/// What [`Schedules::fire`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    pub jobs: usize,
    /// How long it is until the next tick of one of the queue's schedules.
    pub next: Option<Duration>,
}

/// Schedules, kept by the backend. However many workers call [`Schedules::fire`], each tick has one job: whether
/// it is due is looked at in the step that submits it.
#[async_trait]
pub trait Schedules: Send + Sync + 'static {
    /// Makes a schedule, or changes the one of this name. Where its timing stays the same, so do its ticks: those
    /// that were missed are still to be made up for. At most [`SCHEDULES`].
    async fn put(&self, schedule: Schedule) -> Result<Planned, JobError>;

    /// All of them by name.
    async fn list(&self) -> Result<Vec<Planned>, JobError>;

    /// Gives whether there was one. The jobs it has submitted stay.
    async fn remove(&self, name: &ScheduleName) -> Result<bool, JobError>;

    /// Submits the jobs of a queue whose time has come.
    async fn fire(&self, queue: &QueueName) -> Result<Fired, JobError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(missed: Missed, every: u64) -> Schedule {
        let text =
            format!(r#"{{"name":"n","every_ms":{every},"missed":"skip","job":{{"type":"t","queue":"q"}}}}"#);
        Schedule {
            missed,
            ..serde_json::from_str(&text).expect("valid")
        }
    }

    #[test]
    fn missed_ticks_are_forgotten_made_up_for_once_or_each() {
        let due = |missed, from, now| {
            let due = schedule(missed, 1_000).due(from, now);
            (due.ticks, due.next)
        };
        let (from, now) = (1_000_000, 1_003_500);
        assert_eq!(due(Missed::Skip, from, now), (vec![1_003_000], Some(1_004_000)));
        assert_eq!(due(Missed::Once, from, now), (vec![1_003_000], Some(1_004_000)));
        let all = vec![1_000_000, 1_001_000, 1_002_000, 1_003_000];
        assert_eq!(due(Missed::All, from, now), (all, Some(1_004_000)));
        assert_eq!(
            due(Missed::All, now + 500, now),
            (vec![], Some(1_004_000)),
            "not yet"
        );
    }

    #[test]
    fn a_tick_less_than_a_minute_ago_was_not_missed() {
        let hourly = schedule(Missed::Skip, 3_600_000);
        assert_eq!(hourly.due(7_200_000, 7_259_999).ticks, [7_200_000]);
        assert!(hourly.due(7_200_000, 7_260_000).ticks.is_empty());
        let once = schedule(Missed::Once, 3_600_000);
        assert_eq!(once.due(3_600_000, 7_260_000).ticks, [7_200_000]);
    }

    #[test]
    fn many_missed_ticks_are_made_up_for_in_portions_and_not_without_end() {
        let all = schedule(Missed::All, 1_000);
        let now = 10_000_000_000;
        let first = all.due(1_000, now);
        let newest: u64 = 1_000_000;
        assert_eq!((first.ticks.len(), first.ticks[0]), (TICKS, now - newest + 1_000));
        assert_eq!(first.next, Some(first.ticks[TICKS - 1] + 1_000));
        let mut from = first.next;
        let mut number = first.ticks.len();
        while let Some(at) = from.filter(|at| *at <= now) {
            let due = all.due(at, now);
            number += due.ticks.len();
            from = due.next;
        }
        assert_eq!((number, from), (1_000, Some(now + 1_000)));
    }

    #[test]
    fn a_schedule_is_read_as_it_was_written() {
        let text = r#"{"name":"n","cron":"0 3 * * *","time_zone":"Europe/Berlin","missed":"once","job":{"type":"t","data":{"a":1},"queue":"q","priority":7,"concurrency":{"key":"k","limit":2}},"from_file":false}"#;
        let schedule: Schedule = serde_json::from_str(text).expect("valid");
        assert_eq!(serde_json::to_string(&schedule).expect("JSON"), text);
        for wrong in [
            r#"{"name":"n","job":{"type":"t","queue":"q"}}"#,
            r#"{"name":"n","every_ms":1000,"cron":"* * * * *","job":{"type":"t","queue":"q"}}"#,
            r#"{"name":"n","every_ms":1000,"time_zone":"UTC","job":{"type":"t","queue":"q"}}"#,
            r#"{"name":"n","every_ms":1,"job":{"type":"t","queue":"q"}}"#,
            r#"{"name":"n","every_ms":1000,"job":{"type":"t","queue":"q","max_attempts":0}}"#,
            r#"{"name":"n","every_ms":1000,"jobs":1,"job":{"type":"t","queue":"q"}}"#,
        ] {
            assert!(serde_json::from_str::<Schedule>(wrong).is_err(), "{wrong}");
        }
    }
}
