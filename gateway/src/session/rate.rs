//! How many messages a connection may send. What comes above is refused; who is refused that often again goes on
//! flooding, and is closed.

use tidegate_shared::code::{CloseCode, ErrorCode};
use tokio::time::Instant;

use super::{Effect, Session};
use crate::dialect::{Command, Failure, Reply, Request, RequestId};
use crate::rate::Bucket;

/// Only there while a client has sent something lately.
#[derive(Debug, Default)]
pub(super) struct Rate {
    allowed: Bucket,
    refused: Bucket,
}

impl Rate {
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.allowed.is_empty(now) && self.refused.is_empty(now)
    }
}

/// What becomes of one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charge {
    Fine,
    Refused,
    Flood,
}

impl Session {
    /// Counts it among the subscribes that are free, if it is one and there are any left.
    pub(crate) fn takes_free_one(&mut self, request: &Request) -> bool {
        let is_free = matches!(request.command, Command::Subscribe { .. }) && self.free_subscribes > 0;
        self.free_subscribes -= u8::from(is_free);
        is_free
    }

    /// Counts a command, or another message under a name of its own. Some if it is too many: this instead.
    pub(crate) fn over_rate(
        &mut self,
        now: Instant,
        action: &'static str,
        id: Option<&RequestId>,
    ) -> Option<Vec<Effect>> {
        let per_second = self.config.limits.commands_per_second;
        let mut effects = match self.charge(per_second, now) {
            Charge::Fine => return None,
            Charge::Refused => Vec::new(),
            Charge::Flood => vec![Effect::Close(CloseCode::RateLimited)],
        };
        let failure = Failure::new(
            ErrorCode::TooManyRequests,
            format!("a connection may send {per_second} commands a second: wait for a moment"),
        );
        effects.insert(0, Effect::reply(action, id.cloned(), Reply::Failed(failure)));
        Some(effects)
    }

    /// The same for what is not answered.
    pub(crate) fn over_rate_silently(&mut self, now: Instant) -> Option<Vec<Effect>> {
        match self.charge(self.config.limits.commands_per_second, now) {
            Charge::Fine => None,
            Charge::Refused => Some(Vec::new()),
            Charge::Flood => Some(vec![Effect::Close(CloseCode::RateLimited)]),
        }
    }

    fn charge(&mut self, per_second: u32, now: Instant) -> Charge {
        if per_second == 0 {
            return Charge::Fine;
        }
        let rate = self.rate.get_or_insert_default();
        if rate.allowed.take(per_second, now) {
            Charge::Fine
        } else if rate.refused.take(per_second, now) {
            Charge::Refused
        } else {
            Charge::Flood
        }
    }

    /// Forgets what has run out, so that a quiet connection keeps nothing.
    pub(super) fn settle_rate(&mut self, now: Instant) {
        if self.rate.as_ref().is_some_and(|rate| rate.is_over(now)) {
            self.rate = None;
        }
    }
}
