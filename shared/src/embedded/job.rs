//! A job as the memory backend holds it: its record, who may write it, and where it waits.

use std::collections::VecDeque;

use crate::embedded::topics::Topics;
use crate::job::{Attempted, HISTORY, JobError, JobRecord, Priority, Submitted, Token};
use crate::json::RawJson;
use crate::name::{IdempotencyKey, WorkerId};
use crate::position::{Epoch, Position};
use crate::topic::Topic;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) record: JobRecord,
    /// The record, as it stands in the logs.
    pub(super) snapshot: RawJson,
    pub(super) data: RawJson,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) priority: Priority,
    /// What its rank was counted from when it was last queued.
    pub(super) waiting_since: u64,
    pub(super) hold: Hold,
    /// While it runs.
    pub(super) lease_until: u64,
    /// While it runs: no lease is good for longer.
    pub(super) until: u64,
    pub(super) stalls: u32,
    /// Who has or had the last attempt.
    pub(super) worker: Option<WorkerId>,
    /// The attempts that are over, the last at the end.
    pub(super) history: VecDeque<Attempted>,
    pub(super) checkpoint: Option<RawJson>,
    /// Until when its idempotency key is good.
    pub(super) key_until: u64,
    /// When it is forgotten, once it has ended.
    pub(super) forget_at: Option<u64>,
}

/// Who may write a job, or what the last who might has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nobody yet, or the attempt was taken away.
    Nobody,
    By(Token),
    /// The last attempt was given back, so the next claim goes on counting from it.
    Released,
    /// The attempt did this, and may say so again.
    Done(Call, Token),
}

/// The calls that can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Succeed,
    Fail,
    Cancel,
}

impl Job {
    /// Remembers that the current attempt is over.
    pub(super) fn remember(&mut self, outcome: &str, error: Option<&str>, now: u64) {
        while self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Attempted {
            attempt: self.record.attempt,
            worker: self.worker.clone(),
            started_at: self.record.started_at,
            ended_at: Some(now),
            outcome: outcome.to_owned(),
            error: error.map(str::to_owned),
        });
    }

    pub(super) fn is_over(&self, now: u64) -> bool {
        self.forget_at.is_some_and(|end| end <= now)
    }

    /// The answer to a submit that names this job again.
    pub(super) fn repeated(&self, topics: &Topics) -> Submitted {
        let top = topics.top(&Topic::of_job(&self.record.id));
        Submitted {
            record: self.record.clone(),
            position: top.unwrap_or(Position::start(Epoch::NONE)),
            duplicate: true,
        }
    }
}

/// Appends a record to the job's log and to the queue's. Gives its place in the job's.
pub(super) fn write(
    topics: &mut Topics,
    record: &JobRecord,
    now: u64,
) -> Result<(Position, RawJson), JobError> {
    let snapshot = RawJson::of(record).map_err(internal)?;
    let position = topics
        .append_record(&Topic::of_job(&record.id), snapshot.clone(), now)
        .ok_or_else(|| internal("a job's topic has no log"))?;
    topics.append_record(&Topic::of_queue(&record.queue), snapshot.clone(), now);
    Ok((position, snapshot))
}

#[expect(clippy::needless_pass_by_value, reason = "used as `map_err(internal)`")]
pub(super) fn internal(error: impl ToString) -> JobError {
    JobError::Internal(error.to_string())
}
