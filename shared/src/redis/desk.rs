//! What operators ask of Redis about jobs.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use fred::clients::Client;
use fred::interfaces::{HashesInterface, SortedSetsInterface};
use fred::types::Value;

use super::broker::text;
use super::commands::CallError;
use super::keys::Keys;
use super::queue::RedisQueue;
use super::scripts::Script;
use super::spelling::{count, job_id, record, tag};
use super::submission::QUEUE_TTL;
use crate::job::{
    Attempted, JobDesk, JobError, JobId, JobQueue, JobRecord, JobState, Place, QueueInfo, SHELF_LIMIT, Shelf,
};
use crate::name::{QueueName, UserId};

/// After all times.
const LATEST: f64 = 9.0e15;
/// Most running jobs of a queue that are listed.
const RUNNING: i64 = 1_000;
/// A job that is on its user's list but nowhere else is on its way for as long, in milliseconds.
const ON_ITS_WAY: f64 = 60_000.0;

impl RedisQueue {
    /// Records of jobs, in the order asked for.
    async fn records(&self, ids: &[JobId]) -> Result<Vec<Option<JobRecord>>, JobError> {
        let mut slots: HashMap<(&str, u16), Vec<usize>> = HashMap::new();
        for (index, id) in ids.iter().enumerate() {
            slots.entry((id.queue(), id.shard())).or_default().push(index);
        }
        let mut records = vec![None; ids.len()];
        for chunk in slots.values().flat_map(|indexes| indexes.chunks(SHELF_LIMIT)) {
            let slot = self.keys.of_job(&ids[chunk[0]]);
            let arguments = chunk.iter().map(|&index| text(ids[index].as_str())).collect();
            let answer = self
                .commands
                .run(Script::Records, &slot.tag, slot.first(1), arguments)
                .await?;
            for (&index, json) in chunk.iter().zip(answer.into_array()) {
                // What others wrote there is not listed.
                records[index] = json.into_bytes().and_then(|json| record(&json).ok());
            }
        }
        Ok(records)
    }

    /// The places of a state's jobs from one on, and how many are looked at at most.
    async fn places(
        &self,
        queue: &QueueName,
        state: JobState,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<(Vec<Place>, bool), CallError> {
        let slot = self.keys.queue(queue);
        let key = slot.shelf(state);
        let most = limit.saturating_add(SHELF_LIMIT);
        let running = state == JobState::Running;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 41 bits")]
        let start = after.map_or(LATEST, |place| place.rank as f64);
        let call = |client: Client| {
            let key = key.clone();
            async move {
                if running {
                    client
                        .zrange::<Value, _, _, _>(key, 0, RUNNING - 1, None, false, None, true)
                        .await
                } else {
                    let end = i64::try_from(most).unwrap_or(i64::MAX);
                    client
                        .zrevrangebyscore::<Value, _, _, _>(key, start, 0.0, true, Some((0, end)))
                        .await
                }
            }
        };
        let answer = self.commands.call("zrange", &slot.tag, call).await?;
        let mut places = places(answer);
        let mut all = running || places.len() < most;
        if state == JobState::Queued {
            let (parked, no_more) = self.parked(queue, start, most).await?;
            all = all && no_more;
            places.extend(parked);
            places.sort_by(|one, other| other.cmp(one));
            // Of what lies behind the end of either list nothing is known.
            places.truncate(most);
        }
        if running {
            // Leases are renewed, so only their ids keep an order.
            for place in &mut places {
                place.rank = 0;
            }
            places.sort_by(|one, other| other.cmp(one));
        }
        places.retain(|place| after.is_none_or(|after| place < after));
        let all = all && places.len() <= limit;
        places.truncate(limit);
        Ok((places, all))
    }

    /// The places of queued jobs that wait for their concurrency key, and whether these are all.
    async fn parked(
        &self,
        queue: &QueueName,
        start: f64,
        most: usize,
    ) -> Result<(Vec<Place>, bool), CallError> {
        let slot = self.keys.queue(queue);
        let key = slot.parked();
        let end = i64::try_from(most).unwrap_or(i64::MAX);
        let call = |client: Client| {
            let key = key.clone();
            async move {
                client
                    .zrevrangebyscore::<Value, _, _, _>(key, start, 0.0, true, Some((0, end)))
                    .await
            }
        };
        let found = places(self.commands.call("zrange", &slot.tag, call).await?);
        let all = found.len() < most;
        Ok((found, all))
    }
}

/// Members and scores, nested (RESP3) or one after the other.
fn places(answer: Value) -> Vec<Place> {
    let mut flat = answer.into_array().into_iter().flat_map(|one| {
        if one.is_array() {
            one.into_array()
        } else {
            vec![one]
        }
    });
    std::iter::from_fn(|| {
        let (id, rank) = (flat.next()?, flat.next()?);
        #[expect(clippy::cast_possible_truncation, reason = "ranks are milliseconds")]
        let rank = rank.as_f64().unwrap_or_default() as i64;
        Some(Place {
            rank,
            id: id.as_string().unwrap_or_default(),
        })
    })
    .collect()
}

#[async_trait]
impl JobDesk for RedisQueue {
    async fn queues(&self) -> Result<Vec<QueueInfo>, JobError> {
        let key = self.keys.queues();
        let ttl = u64::try_from(QUEUE_TTL.as_millis()).unwrap_or(u64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 41 bits")]
        let forgotten = self.commands.now_ms().saturating_sub(ttl) as f64;
        let call = |client: Client| {
            let key = key.clone();
            async move {
                client
                    .zremrangebyscore::<(), _, _, _>(&key, 0.0, forgotten)
                    .await?;
                client
                    .zrange::<Vec<String>, _, _, _>(&key, 0, -1, None, false, None, false)
                    .await
            }
        };
        let mut names = self.commands.call("zrange", Keys::QUEUES, call).await?;
        names.sort_unstable();
        let mut queues = Vec::with_capacity(names.len());
        for name in names.iter().filter_map(|name| QueueName::parse(name).ok()) {
            let slot = self.keys.queue(&name);
            let answer = self
                .commands
                .run(Script::Depths, &slot.tag, slot.first(13), Vec::new())
                .await?;
            let parts: Vec<i64> = answer.into_array().iter().filter_map(Value::as_i64).collect();
            let [ready, scheduled, retrying, running, dead, paused, oldest] = parts[..] else {
                return Err(CallError::unexpected("depths of another shape").into());
            };
            let number = |number: i64| u64::try_from(number).unwrap_or_default();
            queues.push(QueueInfo {
                name,
                paused: paused == 1,
                queued: number(ready),
                scheduled: number(scheduled),
                retrying: number(retrying),
                running: number(running),
                dead: number(dead),
                oldest_ms: u64::try_from(oldest).ok(),
            });
        }
        Ok(queues)
    }

    async fn shelf(
        &self,
        queue: &QueueName,
        state: JobState,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Shelf, JobError> {
        let limit = limit.min(SHELF_LIMIT);
        let (places, all) = self.places(queue, state, after, limit).await?;
        let last = places.last().or(after).cloned();
        let ids: Vec<JobId> = places.iter().filter_map(|place| job_id(&place.id).ok()).collect();
        let records = self.records(&ids).await?.into_iter().flatten();
        Ok(Shelf {
            jobs: records.filter(|record| record.state == state).collect(),
            next: last.filter(|_| !all),
        })
    }

    async fn attempts(&self, id: &JobId) -> Result<Vec<Attempted>, JobError> {
        let slot = self.keys.of_job(id);
        let key = format!("{}{id}", slot.records());
        let call = |client: Client| {
            let key = key.clone();
            async move {
                client
                    .hmget::<Vec<Option<String>>, _, _>(key, vec!["history", "worker"])
                    .await
            }
        };
        let parts = self.commands.call("hmget", &slot.tag, call).await?;
        let record = self.get(id).await?;
        let part = |index: usize| parts.get(index).and_then(Option::as_deref).unwrap_or_default();
        let over = part(0).lines().filter_map(|line| serde_json::from_str(line).ok());
        let worker = serde_json::from_str(part(1)).ok();
        Ok(Attempted::all(over.collect(), &record, worker))
    }

    async fn pause(&self, queue: &QueueName) -> Result<(), JobError> {
        let slot = self.keys.queue(queue);
        self.commands
            .run(Script::Pause, &slot.tag, slot.first(13), vec![text("1")])
            .await?;
        Ok(())
    }

    async fn resume(&self, queue: &QueueName) -> Result<(), JobError> {
        let slot = self.keys.queue(queue);
        self.commands
            .run(Script::Pause, &slot.tag, slot.first(13), vec![text("0")])
            .await?;
        Ok(())
    }

    async fn redrive(&self, id: &JobId) -> Result<JobRecord, JobError> {
        let further = [text(id.as_str()), tag()];
        let answer = self.write(Script::Redrive, (id, 12), further).await?;
        if answer.is_integer() {
            return Err(JobError::NotDead(id.clone()));
        }
        let json = answer
            .into_bytes()
            .ok_or_else(|| JobError::NotFound(id.clone()))?;
        let record = record(&json)?;
        if let Some(user) = &record.user {
            self.own(user, id).await?;
        }
        Ok(record)
    }

    async fn purge(&self, queue: &QueueName, ended: JobState, ago: Duration) -> Result<usize, JobError> {
        if !ended.is_terminal() {
            return Ok(0);
        }
        let slot = self.keys.queue(queue);
        let keys = vec![slot.records(), slot.shelf(ended)];
        let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        let arguments = vec![Value::Integer(ago), count(SHELF_LIMIT)];
        let answer = self
            .commands
            .run(Script::Purge, &slot.tag, keys, arguments)
            .await?;
        Ok(answer.as_usize().unwrap_or_default())
    }

    async fn of_user(&self, user: &UserId) -> Result<Vec<JobRecord>, JobError> {
        let (tag, key) = self.keys.of_user(user);
        let list = key.clone();
        let call = |client: Client| {
            let list = list.clone();
            async move {
                let limit = i64::try_from(SHELF_LIMIT).unwrap_or(i64::MAX);
                client
                    .zrange::<Value, _, _, _>(list, 0, limit - 1, None, true, None, true)
                    .await
            }
        };
        let places = places(self.commands.call("zrange", &tag, call).await?);
        let found: Vec<(JobId, i64)> = places
            .into_iter()
            .filter_map(|place| Some((job_id(&place.id).ok()?, place.rank)))
            .collect();
        let ids: Vec<JobId> = found.iter().map(|(id, _)| id.clone()).collect();
        let records = self.records(&ids).await?;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 41 bits")]
        let on_its_way = |since: i64| self.commands.now_ms() as f64 - (since as f64) < ON_ITS_WAY;
        let gone: Vec<String> = found
            .iter()
            .zip(&records)
            .filter(|((_, since), record)| match record {
                Some(record) => record.state.is_terminal(),
                None => !on_its_way(*since),
            })
            .map(|((id, _), _)| id.to_string())
            .collect();
        if !gone.is_empty() {
            let call = |client: Client| {
                let key = key.clone();
                let gone = gone.clone();
                async move { client.zrem::<(), _, _>(key, gone).await }
            };
            self.commands.call("zrem", &tag, call).await?;
        }
        let running = records.into_iter().flatten();
        Ok(running.filter(|record| !record.state.is_terminal()).collect())
    }
}
