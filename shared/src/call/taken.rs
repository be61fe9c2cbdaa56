//! A worker's side of calls.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{CallId, Caller};
use crate::json::RawJson;
use crate::name::{MethodGroup, MethodName, WorkerId};

/// The methods of one group that a worker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub group: MethodGroup,
    pub methods: Vec<MethodName>,
    /// At most one call of the group runs at a time. All workers that serve the group must agree on it.
    pub serial: bool,
}

/// A call that is this worker's.
#[derive(Debug)]
pub struct Taken {
    pub ticket: Ticket,
    pub method: MethodName,
    pub data: RawJson,
    pub caller: Caller,
    /// Until nobody waits for the answer any more.
    pub left: Duration,
    /// Fires when nobody waits for the answer because who asked has left.
    pub cancelled: CancellationToken,
}

/// What [`Calls::finish`](super::Calls::finish) needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) id: CallId,
    pub(crate) group: MethodGroup,
    pub(crate) worker: WorkerId,
    pub(crate) serial: bool,
    /// The node that waits, as the backend calls it.
    pub(crate) from: Box<str>,
}
