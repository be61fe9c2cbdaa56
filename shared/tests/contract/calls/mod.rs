//! What [`Calls`](tidegate_shared::call::Calls) promises.

pub(crate) mod answering;
pub(crate) mod leaving;
pub(crate) mod serving;
pub(crate) mod turns;

use std::time::Duration;

use tidegate_shared::backend::Backend;
use tidegate_shared::call::{Answer, CallDraft, CallError, Service, Taken};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{MethodName, WorkerId};
use tokio::task::JoinHandle;

use crate::contract::PATIENCE;
use crate::contract::broker::json;

/// Outlives every case.
const LONG: Duration = Duration::from_secs(600);

fn method(name: &str) -> MethodName {
    MethodName::parse(name).expect("valid")
}

fn draft(name: &str, data: &str) -> CallDraft {
    CallDraft {
        timeout: Duration::from_secs(30),
        ..CallDraft::new(method(name), json(data))
    }
}

fn said(data: &str) -> Answer {
    Answer::new(json(data))
}

/// A worker that serves methods of the group `g`.
struct Hand {
    node: Backend,
    worker: WorkerId,
    service: Service,
}

impl Hand {
    async fn new(node: &Backend, worker: &str, methods: &[&str], serial: bool) -> Self {
        let hand = Self {
            node: node.clone(),
            worker: WorkerId::parse(worker).expect("valid"),
            service: Service {
                group: method("g.x").group(),
                methods: methods.iter().map(|name| method(name)).collect(),
                serial,
            },
        };
        hand.serve(LONG).await;
        hand
    }

    async fn serve(&self, ttl: Duration) {
        let calls = &self.node.calls;
        calls
            .serve(&self.worker, &self.service, ttl)
            .await
            .expect("served");
    }

    async fn take(&self, limit: usize) -> Vec<Taken> {
        self.take_for(limit, LONG).await
    }

    async fn take_for(&self, limit: usize, ttl: Duration) -> Vec<Taken> {
        let calls = &self.node.calls;
        calls
            .take(&self.worker, &self.service, limit, ttl)
            .await
            .expect("taken")
    }

    /// Waits for a call as a worker does.
    async fn one(&self) -> Taken {
        let waiting = async {
            loop {
                if let Some(taken) = self.take(1).await.pop() {
                    return taken;
                }
                let waited = self.node.calls.wait(&self.service, PATIENCE).await;
                waited.expect("waited");
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("a call")
    }

    async fn finish(&self, taken: &Taken, answer: Answer) {
        let finished = self.node.calls.finish(&taken.ticket, Ok(answer)).await;
        finished.expect("finished");
    }
}

fn ask(node: &Backend, draft: CallDraft) -> JoinHandle<Result<Answer, CallError>> {
    let calls = node.calls.clone();
    tokio::spawn(async move { calls.call(draft).await })
}

async fn outcome(asked: JoinHandle<Result<Answer, CallError>>) -> Result<Answer, CallError> {
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("an outcome")
        .expect("no panic")
}

fn texts(taken: &[Taken]) -> Vec<&str> {
    taken.iter().map(|one| one.data.as_str()).collect()
}

/// `null`, for calls whose data is of no interest.
fn nothing() -> RawJson {
    RawJson::null()
}
