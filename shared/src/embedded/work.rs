//! [`JobQueue`] in memory: checks of limits around plain functions of the state.

use std::time::Duration;

use async_trait::async_trait;

use crate::embedded::Store;
use crate::embedded::state::State;
use crate::job::{
    Beat, CHECKPOINT_LIMIT, Claim, DETAIL_LIMIT, Failure, JobDraft, JobError, JobId, JobQueue, JobRecord,
    JobState, Lease, LogLine, Progress, Promoted, RESULT_LIMIT, Submitted, TEXT_LIMIT,
};
use crate::json::RawJson;
use crate::name::{QueueName, WorkerId};

#[async_trait]
impl JobQueue for Store {
    async fn submit(&self, draft: JobDraft) -> Result<Submitted, JobError> {
        let submitted = self.step(|State { topics, jobs }, now| jobs.submit(topics, draft, now))?;
        if !submitted.duplicate {
            self.work.notify_waiters();
        }
        Ok(submitted)
    }

    async fn get(&self, id: &JobId) -> Result<JobRecord, JobError> {
        self.step(|state, now| state.jobs.get(id, now))
    }

    async fn claim(
        &self,
        queue: &QueueName,
        worker: &WorkerId,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<Claim>, JobError> {
        self.step(|State { topics, jobs }, now| jobs.claim(topics, queue, worker, (limit, lease), now))
    }

    async fn wait(&self, queues: &[QueueName], timeout: Duration) -> Result<(), JobError> {
        let work = async {
            loop {
                // Made before looking, so that it hears what is queued right after the look.
                let woken = self.work.notified();
                let next = self.step(|State { topics, jobs }, now| {
                    let mut next: Option<Duration> = None;
                    for queue in queues {
                        let due = jobs.promote(topics, queue, now)?.next;
                        next = next.into_iter().chain(due).min();
                    }
                    Ok((!jobs.has_work(queues, now)).then_some(next))
                });
                match next {
                    Err(error) => return Err(error),
                    Ok(None) => return Ok(()),
                    Ok(Some(None)) => woken.await,
                    Ok(Some(Some(next))) => {
                        // What is due in no whole millisecond may still be due in a part of one.
                        let _ = tokio::time::timeout(next.max(Duration::from_millis(1)), woken).await;
                    }
                }
            }
        };
        // Running into the timeout is an answer like any other.
        tokio::time::timeout(timeout, work).await.unwrap_or(Ok(()))
    }

    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Beat>, JobError> {
        Ok(self.step(|state, now| {
            leases
                .iter()
                .map(|held| state.jobs.heartbeat(held, lease, now))
                .collect()
        }))
    }

    async fn progress(&self, lease: &Lease, mut progress: Progress) -> Result<(), JobError> {
        if let Some(detail) = &progress.detail {
            check("progress", detail, DETAIL_LIMIT)?;
        }
        progress.message = progress.message.map(|message| cut(&message).to_owned());
        self.step(|State { topics, jobs }, now| jobs.progress(topics, lease, progress, now))
    }

    async fn log(&self, lease: &Lease, lines: &[LogLine]) -> Result<(), JobError> {
        self.step(|State { topics, jobs }, now| jobs.log(topics, lease, lines, now))
    }

    async fn checkpoint(&self, lease: &Lease, checkpoint: RawJson) -> Result<(), JobError> {
        check("checkpoint", &checkpoint, CHECKPOINT_LIMIT)?;
        self.step(|state, _| state.jobs.checkpoint(lease, checkpoint))
    }

    async fn succeed(&self, lease: &Lease, result: RawJson) -> Result<(), JobError> {
        check("result", &result, RESULT_LIMIT)?;
        self.step(|State { topics, jobs }, now| jobs.succeed(topics, lease, result, now))?;
        self.made_room();
        Ok(())
    }

    async fn fail(&self, lease: &Lease, mut failure: Failure) -> Result<JobState, JobError> {
        failure.message.truncate(cut(&failure.message).len());
        let random = rand::random();
        let state =
            self.step(|State { topics, jobs }, now| jobs.fail(topics, lease, failure, random, now))?;
        // Who waits must learn for how long.
        self.work.notify_waiters();
        Ok(state)
    }

    async fn cancelled(&self, lease: &Lease) -> Result<(), JobError> {
        self.step(|State { topics, jobs }, now| jobs.cancelled(topics, lease, now))?;
        self.made_room();
        Ok(())
    }

    async fn release(&self, lease: &Lease) -> Result<(), JobError> {
        self.step(|State { topics, jobs }, now| jobs.release(topics, lease, now))?;
        self.work.notify_waiters();
        Ok(())
    }

    async fn cancel(&self, id: &JobId) -> Result<JobRecord, JobError> {
        let record = self.step(|State { topics, jobs }, now| jobs.cancel(topics, id, now))?;
        self.made_room();
        Ok(record)
    }

    async fn promote(&self, queue: &QueueName) -> Result<Promoted, JobError> {
        let promoted = self.step(|State { topics, jobs }, now| jobs.promote(topics, queue, now))?;
        if promoted.jobs > 0 {
            self.work.notify_waiters();
        }
        Ok(promoted)
    }

    async fn reclaim(&self, queue: &QueueName, max_stalls: u32) -> Result<usize, JobError> {
        let random = rand::random();
        let taken_back =
            self.step(|State { topics, jobs }, now| jobs.reclaim(topics, queue, max_stalls, random, now))?;
        if taken_back > 0 {
            self.work.notify_waiters();
        }
        Ok(taken_back)
    }
}

impl Store {
    /// A job has ended: one that waited for that may be claimed now.
    fn made_room(&self) {
        self.work.notify_waiters();
    }
}

fn check(what: &'static str, json: &RawJson, limit: usize) -> Result<(), JobError> {
    let size = json.size();
    if size > limit {
        return Err(JobError::TooLarge { what, size, limit });
    }
    Ok(())
}

/// The beginning of a text, of at most [`TEXT_LIMIT`] bytes.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
