//! How many calls of one user this node has under way.

use std::net::IpAddr;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::name::{SessionId, UserId};

use crate::dialect::Failure;

/// Who is counted as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    /// On all its connections to this node.
    User(UserId),
    /// Of nobody with a name.
    Session(SessionId),
    /// Of whoever sends requests from there without a name. `None`: that is not known.
    Address(Option<IpAddr>),
}

impl Asker {
    pub(crate) fn new(user: Option<UserId>, session: SessionId) -> Self {
        user.map_or(Self::Session(session), Self::User)
    }
}

#[derive(Debug)]
pub(crate) struct CallsUnderWay {
    limit: usize,
    askers: Mutex<HashMap<Asker, usize>>,
}

/// One call under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    calls: &'a CallsUnderWay,
    asker: Asker,
}

impl CallsUnderWay {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            askers: Mutex::default(),
        }
    }

    pub(crate) fn enter(&self, asker: Asker) -> Result<Place<'_>, Failure> {
        let mut askers = self.askers.lock();
        let count = askers.entry(asker.clone()).or_default();
        if *count >= self.limit {
            let message = format!("{} calls are under way: wait for an answer first", self.limit);
            return Err(Failure::new(ErrorCode::TooManyRequests, message));
        }
        *count += 1;
        drop(askers);
        Ok(Place { calls: self, asker })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut askers = self.calls.askers.lock();
        if let Some(count) = askers.get_mut(&self.asker) {
            *count -= 1;
            if *count == 0 {
                askers.remove(&self.asker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_limit_of_their_own() {
        let calls = CallsUnderWay::new(2);
        let (one, other) = (Asker::Session(SessionId::new()), Asker::Session(SessionId::new()));
        let first = calls.enter(one.clone()).expect("room");
        let _second = calls.enter(one.clone()).expect("room");
        let refused = calls.enter(one.clone()).expect_err("the limit");
        assert_eq!(refused.code, ErrorCode::TooManyRequests);
        let theirs = calls.enter(other).expect("room");
        drop(first);
        let _third = calls.enter(one).expect("room again");
        drop(theirs);
        assert_eq!(calls.askers.lock().len(), 1);
    }
}
