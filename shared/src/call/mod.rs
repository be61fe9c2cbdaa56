//! Calls: a question that a worker answers at once, straight to whoever asked. Nothing of a call is kept
//! once it is answered or its time is over.

mod draft;
mod error;
mod taken;

use std::time::Duration;

use async_trait::async_trait;

use crate::name::{MethodGroup, WorkerId};

pub use draft::{After, Answer, CallDraft, CallId, Caller};
pub use error::{CallError, CallFailure};
pub use taken::{Service, Taken, Ticket};

/// What a caller may rely on:
///
/// * A call is run at most once. One that nobody answers in its time is [`CallError::TimedOut`]; it may have
///   been run all the same.
/// * A call whose method no worker serves is [`CallError::NoWorker`] at once.
/// * Calls of one group are taken in the order in which they were made.
/// * Of a serial group ([`Service::serial`]) at most one call runs, however many workers serve it: the next
///   is taken when [`Calls::finish`] was called for the one before, or when its worker did not renew by
///   [`Calls::serve`] what it has, for as long as it said it would.
/// * When the future of [`Calls::call`] is dropped before it is ready, the call is withdrawn if nobody has
///   taken it, and [`Taken::cancelled`] fires if somebody has; both as soon as it can be.
/// * All times are the backend's.
#[async_trait]
pub trait Calls: Send + Sync + 'static {
    /// Has a worker do it, and gives what it answers.
    async fn call(&self, call: CallDraft) -> Result<Answer, CallError>;

    /// Says that a worker serves these methods for `ttl` from now, and has the call it runs of a serial
    /// group for as long. To be repeated well before that.
    async fn serve(&self, worker: &WorkerId, service: &Service, ttl: Duration) -> Result<(), CallError>;

    /// The worker serves the group no longer.
    async fn retire(&self, worker: &WorkerId, group: &MethodGroup) -> Result<(), CallError>;

    /// Takes up to `limit` calls that wait, oldest first; of a serial group at most one, which is the
    /// worker's for `ttl` from now. Does not wait.
    async fn take(
        &self,
        worker: &WorkerId,
        service: &Service,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<Taken>, CallError>;

    /// Resolves when a call may have come since the last [`Calls::take`] that gave fewer than it was asked
    /// for, or when the turn of a serial group may be free; at the latest after `timeout`. May be wrong in
    /// both directions: take to be sure.
    async fn wait(&self, service: &Service, timeout: Duration) -> Result<(), CallError>;

    /// Answers a call that was taken, and lets the next one of a serial group begin. Who asked may have
    /// gone.
    async fn finish(&self, ticket: &Ticket, answer: Result<Answer, CallFailure>) -> Result<(), CallError>;
}

/// How long a call may take that does not say.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time that a call may take.
pub const CALL_TIMEOUT_LIMIT: Duration = Duration::from_secs(60);
/// Most calls of one group that wait to be taken; one more is [`CallError::Busy`].
pub const CALLS_WAITING: usize = 1_024;
/// Most calls that one [`Calls::take`] gives.
pub const TAKE_LIMIT: usize = 64;
/// Largest answer of a call, in bytes as JSON; a larger one fails the call.
pub const ANSWER_LIMIT: usize = 256 * 1024;
