//! What a method can ask and tell while it runs.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use tidegate_shared::call::{After, Caller, Taken};
use tidegate_shared::name::{MethodName, SessionId, UserId};
use tokio_util::sync::CancellationToken;

use crate::topics::{Fence, Topics};

/// A method's side of one call. Cloning is cheap, and clones may go to other tasks. It is a [`Topics`], too:
/// what is published by it is seen by who follows the topic and made the call before the answer is.
#[derive(Clone)]
pub struct CallContext {
    call: Arc<Call>,
    topics: Topics,
}

struct Call {
    method: MethodName,
    caller: Caller,
    deadline: Instant,
    cancelled: CancellationToken,
    stop: CancellationToken,
}

/// What a call is begun with.
pub(crate) struct Begun<'a> {
    pub(crate) taken: &'a Taken,
    pub(crate) deadline: Instant,
    pub(crate) stop: CancellationToken,
    pub(crate) fence: Option<Arc<Fence>>,
}

impl CallContext {
    pub(crate) fn new(topics: &Topics, begun: Begun<'_>) -> Self {
        let call = Call {
            method: begun.taken.method.clone(),
            caller: begun.taken.caller.clone(),
            deadline: begun.deadline,
            cancelled: begun.taken.cancelled.clone(),
            stop: begun.stop,
        };
        Self {
            call: Arc::new(call),
            topics: topics.noting(begun.fence),
        }
    }

    pub(crate) fn noted(&self) -> Vec<After> {
        self.topics.noted()
    }

    pub fn method(&self) -> &MethodName {
        &self.call.method
    }

    /// Who asks: user, session, and what the user's token says.
    pub fn caller(&self) -> &Caller {
        &self.call.caller
    }

    /// Absent: nobody with a name.
    pub fn user(&self) -> Option<&UserId> {
        self.call.caller.user.as_ref()
    }

    /// Absent: the call came over HTTP.
    pub fn session(&self) -> Option<SessionId> {
        self.call.caller.session
    }

    /// When nobody waits for the answer any more; the method is ended then.
    pub fn deadline(&self) -> Instant {
        self.call.deadline
    }

    /// Resolves when nobody waits for the answer any more because who asked has left.
    pub async fn cancelled(&self) {
        self.call.cancelled.cancelled().await;
    }

    pub fn is_cancelled(&self) -> bool {
        self.call.cancelled.is_cancelled()
    }

    /// Fires when the worker shuts down. What ends within its drain grace is still answered.
    pub fn stop(&self) -> &CancellationToken {
        &self.call.stop
    }
}

impl Deref for CallContext {
    type Target = Topics;

    fn deref(&self) -> &Topics {
        &self.topics
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("method", &self.call.method)
            .finish_non_exhaustive()
    }
}
