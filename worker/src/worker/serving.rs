//! Takes calls of one group for as long as there is room, runs their methods, and brings the answers home.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_shared::call::{ANSWER_LIMIT, Answer, CallError, CallFailure, Calls, TAKE_LIMIT, Taken, Ticket};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::name::WorkerId;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::backoff::{Backoff, Outage, jitter};
use super::services::{GroupOfMethods, Said};
use crate::call::{Begun, CallContext};
use crate::topics::{Fence, Topics};

/// How long a worker that is silent counts as serving, and keeps its turn.
const TTL: Duration = Duration::from_secs(6);
/// Between two times that it says so.
const RENEW: Duration = Duration::from_secs(2);
/// Longest wait for calls before asking to be sure: a wake-up may be lost.
const WAIT: Duration = Duration::from_secs(5);
/// For bringing home what is left after the drain grace.
const FAREWELL: Duration = Duration::from_secs(3);

pub(crate) struct Serving {
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) worker: WorkerId,
    pub(crate) group: GroupOfMethods,
    pub(crate) topics: Topics,
    /// Room for calls of all groups.
    pub(crate) room: Arc<Semaphore>,
    /// Where methods run.
    pub(crate) threads: Handle,
    pub(crate) stopping: CancellationToken,
    pub(crate) grace: Duration,
}

impl Serving {
    /// Until `stopping` fires; then it takes no more, and waits for what runs for the drain grace.
    pub(crate) async fn run(self) {
        let fence = Fence::until(Instant::now());
        let abandon = CancellationToken::new();
        let mut running = JoinSet::new();
        tokio::select! {
            () = self.renew(&fence) => {}
            () = self.take(&fence, &abandon, &mut running) => {}
        }
        let _ = timeout(
            FAREWELL,
            self.calls.retire(&self.worker, &self.group.service.group),
        )
        .await;
        // A long turn is still to be kept.
        tokio::select! {
            () = self.keep_turn(&fence) => {}
            _ = timeout(self.grace, all_ended(&mut running)) => {}
        }
        abandon.cancel();
        let _ = timeout(FAREWELL, all_ended(&mut running)).await;
    }

    /// Says regularly that it serves.
    async fn renew(&self, fence: &Fence) {
        let mut outage = Outage::new("serve calls");
        loop {
            let began = Instant::now();
            match self.calls.serve(&self.worker, &self.group.service, TTL).await {
                Ok(()) => {
                    outage.over();
                    fence.extend(began + TTL);
                    sleep(jitter(RENEW)).await;
                }
                Err(error) => {
                    outage.failed(&error);
                    sleep(jitter(RENEW / 4)).await;
                }
            }
        }
    }

    async fn keep_turn(&self, fence: &Fence) {
        if !self.group.service.serial {
            return std::future::pending().await;
        }
        let silent = tidegate_shared::call::Service {
            methods: Vec::new(),
            ..self.group.service.clone()
        };
        loop {
            let began = Instant::now();
            if self.calls.serve(&self.worker, &silent, TTL).await.is_ok() {
                fence.extend(began + TTL);
            }
            sleep(jitter(RENEW)).await;
        }
    }

    async fn take(&self, fence: &Arc<Fence>, abandon: &CancellationToken, running: &mut JoinSet<()>) {
        let mut backoff = Backoff::new(Duration::from_millis(100), WAIT);
        let mut outage = Outage::new("take calls");
        while !self.stopping.is_cancelled() {
            while running.try_join_next().is_some() {}
            let Some(Ok(first)) = self
                .stopping
                .run_until_cancelled(Arc::clone(&self.room).acquire_owned())
                .await
            else {
                return;
            };
            let mut permits = vec![first];
            while permits.len() < self.most()
                && let Ok(permit) = Arc::clone(&self.room).try_acquire_owned()
            {
                permits.push(permit);
            }
            let room = permits.len();
            let asked = match self.round(permits, fence, abandon, running).await {
                // As many as there was room for: more may wait. Not of a serial group, whose turn it has.
                Ok(started) if started == room && !self.group.service.serial => Ok(()),
                Ok(_) => {
                    let wait = self.calls.wait(&self.group.service, jitter(WAIT));
                    let waited = timeout(WAIT * 2, wait);
                    let waited = self.stopping.run_until_cancelled(waited).await;
                    waited.and_then(Result::ok).unwrap_or(Ok(()))
                }
                Err(error) => Err(error),
            };
            match asked {
                Ok(()) => {
                    outage.over();
                    backoff.reset();
                }
                Err(error) => {
                    outage.failed(&error);
                    self.stopping.run_until_cancelled(sleep(backoff.next())).await;
                }
            }
        }
    }

    fn most(&self) -> usize {
        if self.group.service.serial { 1 } else { TAKE_LIMIT }
    }

    /// Takes as many calls as there are permits. Gives how many it started.
    async fn round(
        &self,
        permits: Vec<OwnedSemaphorePermit>,
        fence: &Arc<Fence>,
        abandon: &CancellationToken,
        running: &mut JoinSet<()>,
    ) -> Result<usize, CallError> {
        let began = Instant::now();
        let service = &self.group.service;
        let taken = self.calls.take(&self.worker, service, permits.len(), TTL).await?;
        let started = taken.len();
        if service.serial && started > 0 {
            fence.extend(began + TTL);
        }
        for (taken, permit) in taken.into_iter().zip(permits) {
            let context = CallContext::new(
                &self.topics,
                Begun {
                    taken: &taken,
                    deadline: began + taken.left,
                    stop: self.stopping.clone(),
                    fence: service.serial.then(|| Arc::clone(fence)),
                },
            );
            let method = self.group.methods.get(&taken.method).map(Arc::clone);
            let said = method.map(|method| method.start(taken.data.clone(), context.clone()));
            let home = Home {
                calls: Arc::clone(&self.calls),
                context,
                abandon: abandon.clone(),
            };
            let task = said.map(|said| AbortOnDropHandle::new(self.threads.spawn(said)));
            running.spawn(async move {
                home.bring(taken, task).await;
                drop(permit);
            });
        }
        Ok(started)
    }
}

/// Brings one answer home.
struct Home {
    calls: Arc<dyn Calls>,
    context: CallContext,
    abandon: CancellationToken,
}

impl Home {
    async fn bring(self, taken: Taken, task: Option<AbortOnDropHandle<Said>>) {
        let Some(mut task) = task else {
            // Another version of the worker serves it.
            let message = format!("this worker does not know the method {}", taken.method);
            self.finish(&taken.ticket, Err(CallFailure::new(ErrorCode::NoWorker, message)))
                .await;
            return;
        };
        let deadline = self.context.deadline().into();
        let said = tokio::select! {
            joined = &mut task => heard(joined, &taken),
            () = sleep_until(deadline) => {
                task.abort();
                // It may block its thread: the turn is not over before it is.
                let _ = (&mut task).await;
                Err(CallFailure::new(ErrorCode::Timeout, "the method took longer than its caller waits"))
            }
            () = self.abandon.cancelled() => {
                task.abort();
                Err(CallFailure::new(ErrorCode::NoWorker, "the worker shut down before the method ended"))
            }
        };
        self.finish(&taken.ticket, said).await;
    }

    async fn finish(&self, ticket: &Ticket, said: Said) {
        let answer = said.map(|data| Answer {
            data,
            after: self.context.noted(),
        });
        if let Err(error) = self.calls.finish(ticket, answer).await {
            tracing::warn!(method = %self.context.method(), "an answer is lost: {error}");
        }
    }
}

fn heard(joined: Result<Said, JoinError>, taken: &Taken) -> Said {
    let internal = |message: String| CallFailure::new(ErrorCode::Internal, message);
    match joined {
        Ok(Ok(data)) if data.size() > ANSWER_LIMIT => Err(internal(format!(
            "the answer has {} bytes, at most {ANSWER_LIMIT} are allowed",
            data.size()
        ))),
        Ok(said) => said,
        Err(error) => {
            // What it said is on standard error.
            tracing::error!(method = %taken.method, "a method panicked");
            let what = if error.is_panic() { "panicked" } else { "was ended" };
            Err(internal(format!("the method {} {what}", taken.method)))
        }
    }
}

async fn all_ended(running: &mut JoinSet<()>) {
    while running.join_next().await.is_some() {}
}
