//! How long a connection may last, and how long it may be of no use.

use std::time::Duration;

use tidegate_shared::code::CloseCode;
use tidegate_shared::config::Config;
use tokio::time::Instant;

use super::Effect;
use crate::dialect::Goodbye;

/// Part of `connection.max_age` by which connections end earlier or later, so that those which came
/// together don't leave together.
const JITTER: f64 = 0.2;
/// Who is sent away for its age comes back within this time.
const RETURN: Duration = Duration::from_secs(2);

/// The times are absent where the configuration sets no limit.
#[derive(Debug)]
pub(super) struct Age {
    old_at: Option<Instant>,
    idle_at: Option<Instant>,
    /// In milliseconds.
    reconnect_after: u16,
}

impl Age {
    pub(super) fn new(config: &Config, now: Instant, jitter: f64) -> Self {
        let jitter = jitter.clamp(0.0, 1.0);
        let limit = |limit: Duration| (!limit.is_zero()).then_some(limit);
        let spread = 1.0 - JITTER + 2.0 * JITTER * jitter;
        Self {
            old_at: limit(config.connection.max_age).map(|age| now + age.mul_f64(spread)),
            idle_at: limit(config.limits.idle_timeout).map(|idle| now + idle),
            reconnect_after: u16::try_from(RETURN.mul_f64(jitter).as_millis()).unwrap_or(u16::MAX),
        }
    }

    /// Not traffic, but age alone ends it.
    pub(super) fn of_listener(config: &Config, now: Instant, jitter: f64) -> Self {
        Self {
            idle_at: None,
            ..Self::new(config, now, jitter)
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.old_at, self.idle_at].into_iter().flatten().min()
    }

    /// Whether somebody must say when there is traffic.
    pub(super) fn minds_traffic(&self) -> bool {
        self.idle_at.is_some()
    }

    /// `now`, or a moment ago.
    pub(super) fn on_traffic(&mut self, now: Instant, config: &Config) {
        if let Some(idle_at) = &mut self.idle_at {
            *idle_at = (now + config.limits.idle_timeout).max(*idle_at);
        }
    }

    pub(super) fn on_tick(&mut self, now: Instant) -> Option<Effect> {
        if self.old_at.is_some_and(|at| now >= at) {
            self.old_at = None;
            return Some(Effect::SendAway(
                CloseCode::ConnectionAged,
                Goodbye {
                    reason: CloseCode::ConnectionAged.name(),
                    reconnect_after: Duration::from_millis(self.reconnect_after.into()),
                },
            ));
        }
        if self.idle_at.is_some_and(|at| now >= at) {
            self.idle_at = None;
            return Some(Effect::Close(CloseCode::Idle));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(max_age: u64, idle: u64) -> Config {
        let mut config = Config::default();
        config.connection.max_age = Duration::from_secs(max_age);
        config.limits.idle_timeout = Duration::from_secs(idle);
        config
    }

    #[test]
    fn connections_of_one_moment_end_spread_over_two_fifths_of_their_age() {
        let now = Instant::now();
        let ends = [0.0, 0.5, 1.0].map(|jitter| Age::new(&config(100, 0), now, jitter).deadline());
        assert_eq!(
            ends,
            [80, 100, 120].map(|after| Some(now + Duration::from_secs(after)))
        );
        let mut age = Age::new(&config(100, 0), now, 0.5);
        assert_eq!(age.on_tick(now + Duration::from_secs(99)), None);
        let sent_away = age.on_tick(now + Duration::from_secs(100));
        assert!(matches!(
            sent_away,
            Some(Effect::SendAway(CloseCode::ConnectionAged, _))
        ));
        assert_eq!(age.deadline(), None, "once");
    }

    #[test]
    fn traffic_puts_the_end_of_an_idle_connection_off() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let config = config(0, 10);
        let mut age = Age::new(&config, now, 0.0);
        age.on_traffic(after(7), &config);
        assert_eq!(age.on_tick(after(10)), None);
        assert_eq!(age.deadline(), Some(after(17)));
        assert_eq!(age.on_tick(after(17)), Some(Effect::Close(CloseCode::Idle)));
    }

    #[test]
    fn without_limits_nothing_ends() {
        let age = Age::new(&config(0, 0), Instant::now(), 0.3);
        assert_eq!(age.deadline(), None);
        assert!(!age.minds_traffic());
    }
}
