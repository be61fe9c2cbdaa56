//! A client that has to say who it is before anything else, and soon.

use std::time::Duration;

use tidegate_shared::code::CloseCode;
use tokio::time::Instant;

use super::{Effect, Session};

/// It is told once: its connection is about to end, and until then it stays a stranger.
const AGAIN: Duration = Duration::from_secs(3_600);

impl Session {
    /// Until the client has said who it is it may do nothing else, and it must have at this time.
    pub(crate) fn expect_introduction(&mut self, until: Instant) {
        self.stranger_until = Some(Box::new(until));
    }

    /// Whether that is still so.
    pub(crate) fn is_stranger(&self) -> bool {
        self.stranger_until.is_some()
    }

    /// It has said something else, or that it is somebody who it is not.
    pub(crate) fn turn_away() -> Vec<Effect> {
        vec![Effect::Close(CloseCode::PolicyViolation)]
    }

    pub(super) fn introduced(&mut self) {
        self.stranger_until = None;
    }

    pub(super) fn late_introduction(&mut self, now: Instant) -> Option<Effect> {
        let until = self.stranger_until.as_deref_mut()?;
        if now < *until {
            return None;
        }
        *until = now + AGAIN;
        Some(Effect::Close(CloseCode::PolicyViolation))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_shared::code::ErrorCode;
    use tidegate_shared::config::Config;
    use tidegate_shared::name::UserId;

    use super::*;
    use crate::dialect::Failure;
    use crate::identity::Identity;

    #[test]
    fn a_stranger_has_its_time_to_say_who_it_is_and_is_one_until_then() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let stranger = || {
            let mut session = Session::new(Arc::new(Config::default()), start, 1.0);
            session.expect_introduction(after(5));
            session
        };
        let closes = [Effect::Close(CloseCode::PolicyViolation)];
        let mut late = stranger();
        assert_eq!(late.deadline(), after(5));
        assert!(late.on_tick(after(4)).is_empty());
        assert_eq!(late.on_tick(after(5)), closes);
        assert!(late.is_stranger() && late.on_tick(after(6)).is_empty(), "once");

        let mut false_one = stranger();
        let failure = Failure::new(ErrorCode::Unauthorized, "no");
        assert_eq!(false_one.on_verified(None, Err(failure), after(1), None), closes);

        let mut known = stranger();
        let identity = Identity {
            user: UserId::parse("ann").expect("valid"),
            info: None,
            expires_at: None,
            grants: None,
        };
        known.on_verified(None, Ok(Arc::new(identity)), after(1), None);
        assert!(!known.is_stranger());
        assert!(known.on_tick(after(6)).is_empty());
    }
}
