//! What followers have seen of all jobs, and what was wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The newest attempt of a job that its follower saw running, and when it first did.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    number: u64,
    since: Instant,
    /// When its job was seen to have ended.
    ended: Option<Instant>,
}

#[derive(Debug, Default)]
pub struct Ledger {
    begun: AtomicUsize,
    done: AtomicUsize,
    attempts: Mutex<HashMap<String, Attempt>>,
    violations: Mutex<Vec<String>>,
}

impl Ledger {
    /// The number of a new job, counted from 0.
    pub fn begin(&self) -> usize {
        self.begun.fetch_add(1, Ordering::Relaxed)
    }

    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    pub fn running(&self, id: &str, number: u64) {
        let mut attempts = locked(&self.attempts);
        if attempts.get(id).is_none_or(|known| known.number < number) {
            let attempt = Attempt {
                number,
                since: Instant::now(),
                ended: None,
            };
            attempts.insert(id.to_owned(), attempt);
        }
    }

    pub fn end(&self, id: &str) {
        let now = Instant::now();
        let mut attempts = locked(&self.attempts);
        attempts
            .entry(id.to_owned())
            .or_insert(Attempt {
                number: 0,
                since: now,
                ended: None,
            })
            .ended = Some(now);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// When a job was seen in a later attempt than this, or at its end.
    pub fn went_on(&self, id: &str, number: u64) -> Option<Instant> {
        let attempt = *locked(&self.attempts).get(id)?;
        if attempt.number > number {
            Some(attempt.since)
        } else {
            attempt.ended
        }
    }

    /// Attempts after the first.
    pub fn further_attempts(&self) -> u64 {
        let attempts = locked(&self.attempts);
        attempts
            .values()
            .map(|attempt| attempt.number.saturating_sub(1))
            .sum()
    }

    pub fn wrong(&self, what: String) {
        locked(&self.violations).push(what);
    }

    pub fn violations(&self) -> Vec<String> {
        locked(&self.violations).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_went_on_when_a_later_attempt_or_its_end_was_seen() {
        let ledger = Ledger::default();
        assert_eq!(ledger.went_on("a", 1), None);
        ledger.running("a", 1);
        assert_eq!(ledger.went_on("a", 1), None);
        ledger.running("a", 2);
        let since = ledger.went_on("a", 1).expect("attempt 2");
        ledger.running("a", 2);
        ledger.end("a");
        assert_eq!(ledger.went_on("a", 1), Some(since));
        assert!(ledger.went_on("a", 2) >= Some(since));
        assert_eq!((ledger.done(), ledger.further_attempts()), (1, 1));
    }
}
