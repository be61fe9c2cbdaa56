//! Whether the client is still there: a ping at intervals, and something must come back.

use std::time::Duration;

use tidegate_shared::config::Limits;
use tokio::time::Instant;

use super::Effect;

/// Where no pings are wanted.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Debug)]
pub(super) struct Heartbeat {
    next_ping: Instant,
    /// A ping was sent, and nothing has come since.
    pinged: Option<Instant>,
    /// When the client is given up, if something does not come before.
    deadline: Instant,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration, now: Instant, jitter: f64) -> Self {
        let first = if interval.is_zero() {
            NEVER
        } else {
            interval.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
        };
        Self {
            next_ping: now + first,
            pinged: None,
            deadline: now + first,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn on_sign_of_life(&mut self) {
        self.pinged = None;
    }

    pub(super) fn on_tick(&mut self, now: Instant, limits: &Limits) -> Option<Effect> {
        if let Some(pinged) = self.pinged
            && now >= pinged + limits.pong_timeout
        {
            return Some(Effect::Abandon);
        }
        let mut effect = None;
        if now >= self.next_ping {
            self.next_ping = now + if limits.ping.is_zero() { NEVER } else { limits.ping };
            self.pinged.get_or_insert(now);
            effect = Some(Effect::Ping);
        }
        let given_up = self.pinged.map(|pinged| pinged + limits.pong_timeout);
        self.deadline = given_up.map_or(self.next_ping, |at| at.min(self.next_ping));
        effect
    }
}
