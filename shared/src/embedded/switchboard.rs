//! [`Calls`] in memory, around plain functions of the state.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

use crate::call::{
    Answer, CALL_TIMEOUT_LIMIT, CallDraft, CallError, CallFailure, CallId, Calls, Service, Taken, Ticket,
};
use crate::embedded::Store;
use crate::embedded::clock::millis;
use crate::name::{MethodGroup, WorkerId};

/// The calls of a store.
pub(super) struct Switchboard(pub(super) Arc<Store>);

/// Withdraws a call whose caller has gone.
struct Asking {
    store: Weak<Store>,
    id: CallId,
    group: MethodGroup,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(store) = self.store.upgrade() {
            store.step_on_all(|all, _| all.calls.withdraw(self.id, &self.group));
        }
    }
}

#[async_trait]
impl Calls for Switchboard {
    async fn call(&self, call: CallDraft) -> Result<Answer, CallError> {
        let (id, method) = (CallId::random(), call.method.clone());
        let after = call.timeout.min(CALL_TIMEOUT_LIMIT);
        let answered = self
            .0
            .step_on_all(|all, now| all.calls.submit(id, call, now.saturating_add(millis(after)), now))?;
        let _asking = Asking {
            store: Arc::downgrade(&self.0),
            id,
            group: method.group(),
        };
        self.0.calls.notify_waiters();
        match tokio::time::timeout(after, answered).await {
            Ok(Ok(outcome)) => outcome.map_err(CallError::Failed),
            // Nobody can answer it any more.
            Ok(Err(_)) | Err(_) => Err(CallError::TimedOut { method, after }),
        }
    }

    async fn serve(&self, worker: &WorkerId, service: &Service, ttl: Duration) -> Result<(), CallError> {
        self.0.step_on_all(|all, now| {
            all.calls
                .serve(worker, service, now.saturating_add(millis(ttl)), now);
        });
        Ok(())
    }

    async fn retire(&self, worker: &WorkerId, group: &MethodGroup) -> Result<(), CallError> {
        self.0.step_on_all(|all, _| all.calls.retire(worker, group));
        Ok(())
    }

    async fn take(
        &self,
        worker: &WorkerId,
        service: &Service,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<Taken>, CallError> {
        Ok(self.0.step_on_all(|all, now| {
            let until = now.saturating_add(millis(ttl));
            all.calls.take(worker, service, limit, until, now)
        }))
    }

    async fn wait(&self, service: &Service, timeout: Duration) -> Result<(), CallError> {
        let work = async {
            loop {
                // Made before looking, so that it hears what is asked right after the look.
                let woken = self.0.calls.notified();
                let look = self.0.step_on_all(|all, now| {
                    let look = all.calls.look(service, now);
                    look.map_err(|until| until.map(|until| Duration::from_millis(until.saturating_sub(now))))
                });
                match look {
                    Ok(()) => return,
                    Err(None) => woken.await,
                    Err(Some(pause)) => {
                        // Either way it looks anew.
                        let _ = tokio::time::timeout(pause.max(Duration::from_millis(1)), woken).await;
                    }
                }
            }
        };
        // Running into the timeout is an answer like any other.
        let _ = tokio::time::timeout(timeout, work).await;
        Ok(())
    }

    async fn finish(&self, ticket: &Ticket, answer: Result<Answer, CallFailure>) -> Result<(), CallError> {
        self.0.step_on_all(|all, _| all.calls.finish(ticket, answer));
        if ticket.serial {
            self.0.calls.notify_waiters();
        }
        Ok(())
    }
}
