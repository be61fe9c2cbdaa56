//! Who the client is, and until when its token counts, if it came with one.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::code::{CloseCode, ErrorCode};
use tidegate_shared::name::UserId;
use tokio::time::Instant;

use super::Effect;
use crate::dialect::Failure;
use crate::identity::Identity;

/// How long before its end a client is told to send another token; where the token lives shorter, a
/// tenth of its life before.
const NOTICE: Duration = Duration::from_secs(30);
const SHORT: u32 = 10;
/// Tokens that live longer are as good as without end: timers do not reach further.
const FAR: Duration = Duration::from_secs(10 * 365 * 86_400);

#[derive(Debug)]
pub(super) struct Bearer {
    identity: Arc<Identity>,
    /// Until the client has been told.
    notice_at: Option<Instant>,
    /// Absent: never.
    ends_at: Option<Instant>,
}

impl Bearer {
    /// The token counts from the time on for as long as `ends` says.
    pub(super) fn new(identity: Arc<Identity>, ends: Option<(Instant, Duration)>) -> Self {
        let ends = ends.map(|(now, left)| (now, left.min(FAR)));
        Self {
            identity,
            notice_at: ends.map(|(now, left)| now + left - NOTICE.min(left / SHORT)),
            ends_at: ends.map(|(now, left)| now + left),
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn user(&self) -> &UserId {
        &self.identity.user
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.notice_at.or(self.ends_at)
    }

    pub(super) fn on_tick(&mut self, now: Instant) -> Option<Effect> {
        let ends_at = self.ends_at?;
        if now >= ends_at {
            return Some(Effect::Close(CloseCode::Expired));
        }
        if self.notice_at.is_none_or(|at| now < at) {
            return None;
        }
        self.notice_at = None;
        let left = (ends_at - now).as_secs_f64().ceil();
        Some(Effect::Tell(
            None,
            Failure::new(
                ErrorCode::Expired,
                format!("the token expires in {left} s: send `auth` with a new one"),
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(now: Instant, left: u64) -> Bearer {
        let identity = Identity {
            user: UserId::parse("ann").expect("valid"),
            info: None,
            expires_at: None,
            grants: None,
        };
        Bearer::new(Arc::new(identity), Some((now, Duration::from_secs(left))))
    }

    #[test]
    fn the_client_is_told_before_its_token_ends_and_then_closed() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut bearer = bearer(now, 3_600);
        assert_eq!(bearer.deadline(), Some(after(3_570)));
        assert_eq!(bearer.on_tick(after(3_569)), None);
        let Some(Effect::Tell(None, failure)) = bearer.on_tick(after(3_570)) else {
            panic!("no notice");
        };
        assert_eq!(failure.code, ErrorCode::Expired);
        assert!(failure.message.contains("30 s"), "{}", failure.message);
        assert_eq!(bearer.on_tick(after(3_571)), None, "once");
        assert_eq!(bearer.deadline(), Some(after(3_600)));
        assert_eq!(
            bearer.on_tick(after(3_600)),
            Some(Effect::Close(CloseCode::Expired))
        );
    }

    #[test]
    fn the_notice_of_a_short_token_comes_late_and_a_token_without_end_overflows_nothing() {
        let now = Instant::now();
        assert_eq!(bearer(now, 20).deadline(), Some(now + Duration::from_secs(18)));
        assert_eq!(
            bearer(now, 0).on_tick(now),
            Some(Effect::Close(CloseCode::Expired))
        );
        assert!(bearer(now, u64::MAX).deadline() > Some(now));
    }
}
