//! Whether an Engine.IO client is still there: the server pings, and the client must answer each.

use std::time::Duration;

use tokio::time::Instant;

/// For an answer to a ping: what clients of other servers know.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
/// Where the configuration wants no pings: these clients need some.
const INTERVAL: Duration = Duration::from_secs(25);

/// How long from ping to ping, with what the configuration has for it.
pub(crate) fn interval(configured: Duration) -> Duration {
    if configured.is_zero() {
        INTERVAL
    } else {
        configured
    }
}

#[derive(Debug)]
pub(super) struct Pulse {
    interval: Duration,
    deadline: Instant,
    is_answered: bool,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Ping,
    /// Nobody is there.
    Lost,
}

impl Pulse {
    /// `jitter` from 0 to 1 spreads the first pings of many.
    pub(super) fn new(interval: Duration, now: Instant, jitter: f64) -> Self {
        Self {
            interval,
            deadline: now + interval.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0),
            is_answered: true,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn on_answer(&mut self, now: Instant) {
        if !self.is_answered {
            self.is_answered = true;
            self.deadline = now + self.interval;
        }
    }

    pub(super) fn on_tick(&mut self, now: Instant) -> Option<Beat> {
        if now < self.deadline {
            return None;
        }
        if !self.is_answered {
            return Some(Beat::Lost);
        }
        self.is_answered = false;
        self.deadline = now + TIMEOUT;
        Some(Beat::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_answers_is_pinged_again_and_one_that_does_not_is_given_up() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(Duration::from_secs(25), now, 1.0);
        assert_eq!(pulse.on_tick(after(24)), None);
        assert_eq!(pulse.on_tick(after(25)), Some(Beat::Ping));
        pulse.on_answer(after(26));
        assert_eq!(pulse.on_tick(after(46)), None);
        assert_eq!(pulse.on_tick(after(51)), Some(Beat::Ping));
        assert_eq!(pulse.on_tick(after(70)), None);
        assert_eq!(pulse.on_tick(after(71)), Some(Beat::Lost));
    }
}
