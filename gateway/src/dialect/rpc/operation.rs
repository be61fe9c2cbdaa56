//! What a client can ask for, and what is remembered of it until it is answered.

use crate::dialect::RequestId;

/// What is no operation, and answered all the same.
pub(super) const AUTH: &str = "auth";
pub(super) const PING: &str = "ping";
/// The same from a client that has said who it is.
pub(super) const PING_OF_USER: &str = "ping-of-user";

/// A request that waits for its answer, as the id under which the rest of the gateway knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) operation: &'a str,
    /// When it came, in milliseconds since 1970.
    pub(super) time_ms: u64,
    /// The client's id as it was spelled; `null` if it sent none.
    pub(super) id: &'a str,
}

impl<'a> Asked<'a> {
    pub(super) fn to_id(self) -> RequestId {
        let Self {
            operation,
            time_ms,
            id,
        } = self;
        RequestId::new(&format!("{operation} {time_ms} {id}"))
    }

    pub(super) fn of(id: &'a RequestId) -> Option<Self> {
        let mut parts = id.as_str().splitn(3, ' ');
        Some(Self {
            operation: parts.next()?,
            time_ms: parts.next()?.parse().ok()?,
            id: parts.next()?,
        })
    }
}
