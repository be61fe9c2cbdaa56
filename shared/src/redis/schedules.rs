//! Schedules on Redis. Each lives in the slot of its queue, so that its next tick and the job it submits change in
//! one step; a list of all, in a slot of its own, says where each is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use fred::clients::Client;
use fred::interfaces::HashesInterface;
use fred::types::Value;

use super::broker::{log_arguments, text};
use super::commands::CallError;
use super::keys::Keys;
use super::queue::RedisQueue;
use super::scripts::Script;
use super::spelling::{concurrency, head, json, tag, tail};
use crate::job::{Fired, JobError, Planned, SCHEDULES, Schedule, Schedules};
use crate::name::{QueueName, ScheduleName};
use crate::topic::Topic;

/// The next tick of a schedule that has none, as a score: far after all others.
const NEVER: u64 = 9_000_000_000_000_000;

/// A queue's schedules as a script gave them.
struct Found {
    now: u64,
    /// The first tick that has not come.
    next: Option<u64>,
    schedules: Vec<(Planned, Vec<u8>)>,
}

impl RedisQueue {
    /// The queue of each schedule.
    async fn homes(&self) -> Result<BTreeMap<String, String>, CallError> {
        let key = self.keys.schedules();
        let call = |client: Client| {
            let key = key.clone();
            async move { client.hgetall::<BTreeMap<String, String>, _>(key).await }
        };
        self.commands.call("hgetall", Keys::SCHEDULES, call).await
    }

    async fn set_home(&self, name: &ScheduleName, queue: &QueueName) -> Result<(), CallError> {
        let key = self.keys.schedules();
        let call = |client: Client| {
            let (key, pair) = (key.clone(), (name.to_string(), queue.to_string()));
            async move { client.hset::<(), _, _>(key, pair).await }
        };
        self.commands.call("hset", Keys::SCHEDULES, call).await
    }

    async fn take_away(&self, name: &ScheduleName, queue: &str) -> Result<bool, CallError> {
        let Ok(queue) = QueueName::parse(queue) else {
            return Ok(false);
        };
        let slot = self.keys.queue(&queue);
        let arguments = vec![text(name.as_str())];
        let answer = self
            .commands
            .run(Script::Unschedule, &slot.tag, slot.schedules(), arguments)
            .await?;
        Ok(answer.as_i64() == Some(1))
    }

    async fn find(&self, queue: &QueueName, which: &str) -> Result<Found, CallError> {
        let slot = self.keys.queue(queue);
        let answer = self
            .commands
            .run(Script::Scheduled, &slot.tag, slot.schedules(), vec![text(which)])
            .await?;
        let mut parts = answer.into_array().into_iter();
        let mut number = || parts.next().and_then(|part| tick(&part));
        let (now, next) = (number(), number());
        let now = now.ok_or_else(|| CallError::unexpected("schedules without a time"))?;
        let mut schedules = Vec::new();
        while let (Some(name), Some(at), Some(definition)) = (parts.next(), parts.next(), parts.next()) {
            let definition = definition.into_bytes().unwrap_or_default();
            let read = definition.splitn(2, |byte| *byte == b'\n').nth(1);
            if let Some(schedule) = read.and_then(|json| serde_json::from_slice::<Schedule>(json).ok()) {
                let next_at = tick(&at);
                schedules.push((Planned { schedule, next_at }, definition.to_vec()));
            } else {
                // Of another version, which may understand it.
                tracing::debug!(%queue, name = ?name.as_str(), "a schedule cannot be read");
            }
        }
        Ok(Found { now, next, schedules })
    }

    /// Submits the jobs of a schedule that is due. Gives how many, and the tick that is next.
    async fn tick(
        &self,
        (planned, definition): (Planned, Vec<u8>),
        now: u64,
    ) -> Result<(usize, Option<u64>), JobError> {
        let Planned { schedule, next_at } = planned;
        let at = next_at.unwrap_or(now);
        let due = schedule.due(at, now);
        let queue = &schedule.job.queue;
        let slot = self.keys.queue(queue);
        let mut keys = slot.first(12);
        keys.extend(slot.schedules());
        let mut arguments = log_arguments(self.namespaces.of(&Topic::of_queue(queue)));
        arguments.extend([
            text(schedule.name.as_str()),
            Value::Bytes(definition.into()),
            text(&at.to_string()),
            text(&due.next.unwrap_or(NEVER).to_string()),
        ]);
        for tick in due.ticks {
            let draft = schedule.draft(tick);
            self.register(&draft).await?;
            arguments.extend([
                tag(),
                text(draft.id.as_str()),
                text(&head(&draft)?),
                text(&tail(&draft, self.policy(&draft.id))?),
                Value::Bytes(draft.data.as_bytes().clone()),
                Value::Integer(draft.priority.get().into()),
                concurrency(&draft),
            ]);
        }
        let answer = self
            .commands
            .run(Script::Tick, &slot.tag, keys, arguments)
            .await?;
        Ok((answer.as_usize().unwrap_or_default(), due.next))
    }
}

/// A time of a script's answer, that may be a score.
fn tick(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds have 41 bits"
    )]
    let tick = value.as_f64().map(|time| time.max(0.0) as u64);
    tick.filter(|tick| *tick < NEVER)
}

#[async_trait]
impl Schedules for RedisQueue {
    async fn put(&self, schedule: Schedule) -> Result<Planned, JobError> {
        let queue = &schedule.job.queue;
        let places = self.homes().await?;
        match places.get(schedule.name.as_str()) {
            Some(place) if place == queue.as_str() => {}
            // Taken away first: if this ends in between, there is none, and not two.
            Some(place) => drop(self.take_away(&schedule.name, place).await?),
            None if places.len() >= SCHEDULES => {
                return Err(JobError::TooMany {
                    what: "schedules",
                    limit: SCHEDULES,
                });
            }
            None => {}
        }
        self.set_home(&schedule.name, queue).await?;
        let slot = self.keys.queue(queue);
        let next = schedule.timing.next_after(self.commands.now_ms());
        let arguments = vec![
            text(schedule.name.as_str()),
            text(&schedule.timing.canonical()),
            Value::Bytes(json(&schedule)?.as_bytes().clone()),
            text(&next.unwrap_or(NEVER).to_string()),
        ];
        let answer = self
            .commands
            .run(Script::Schedule, &slot.tag, slot.schedules(), arguments)
            .await?;
        Ok(Planned {
            schedule,
            next_at: tick(&answer),
        })
    }

    async fn list(&self) -> Result<Vec<Planned>, JobError> {
        let places = self.homes().await?;
        let queues: BTreeSet<&str> = places.values().map(String::as_str).collect();
        let mut all = Vec::new();
        for queue in queues
            .into_iter()
            .filter_map(|queue| QueueName::parse(queue).ok())
        {
            let found = self.find(&queue, "all").await?;
            all.extend(found.schedules.into_iter().map(|(planned, _)| planned));
        }
        all.sort_by(|one, other| one.schedule.name.cmp(&other.schedule.name));
        Ok(all)
    }

    async fn remove(&self, name: &ScheduleName) -> Result<bool, JobError> {
        let places = self.homes().await?;
        let Some(place) = places.get(name.as_str()) else {
            return Ok(false);
        };
        let was_there = self.take_away(name, place).await?;
        let key = self.keys.schedules();
        let call = |client: Client| {
            let (key, name) = (key.clone(), name.to_string());
            async move { client.hdel::<(), _, _>(key, name).await }
        };
        self.commands.call("hdel", Keys::SCHEDULES, call).await?;
        Ok(was_there)
    }

    async fn fire(&self, queue: &QueueName) -> Result<Fired, JobError> {
        let found = self.find(queue, "due").await?;
        let (mut jobs, mut next) = (0, found.next);
        for due in found.schedules {
            let (fired, after) = self.tick(due, found.now).await?;
            jobs += fired;
            next = next.into_iter().chain(after).min();
        }
        Ok(Fired {
            jobs,
            next: next.map(|at| Duration::from_millis(at.saturating_sub(found.now))),
        })
    }
}
