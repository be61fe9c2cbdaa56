//! Messages from clients that should send none: told in the log now and then, with their number, so that
//! nobody can fill it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// At most one line in this time.
const INTERVAL: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Ignored(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    messages: u64,
    told: Option<Instant>,
}

impl Ignored {
    pub(super) fn note(&self, dialect: &'static str) {
        if let Some(messages) = self.0.lock().add(Instant::now()) {
            tracing::warn!(
                dialect,
                messages,
                "clients send messages where none are expected; they are ignored"
            );
        }
    }
}

impl Count {
    /// How many there have been since it was told last, if it is to be told now.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.messages += 1;
        if self.told.is_some_and(|told| now.duration_since(told) < INTERVAL) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.messages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_told_at_once_and_then_at_intervals_with_its_number() {
        let mut count = Count::default();
        let now = Instant::now();
        assert_eq!(count.add(now), Some(1));
        assert_eq!(count.add(now), None);
        assert_eq!(count.add(now), None);
        assert_eq!(count.add(now + INTERVAL), Some(3));
    }
}
