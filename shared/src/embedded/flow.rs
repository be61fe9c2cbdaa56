//! What limits how many jobs of a queue run, in memory.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::embedded::clock::millis;
use crate::job::{Concurrency, JobId, QueuePolicy};
use crate::name::ConcurrencyKey;

/// A queued job and its rank.
pub(super) type Ranked = (i64, JobId);

#[derive(Debug, Default)]
pub(super) struct Flow {
    /// How many run for each key.
    running: HashMap<ConcurrencyKey, u32>,
    /// Queued, and not to be claimed before one of their key has ended.
    parked: HashMap<ConcurrencyKey, BTreeSet<Ranked>>,
    /// When the last jobs began, as many as the queue's rate is.
    began: VecDeque<u64>,
}

impl Flow {
    /// How many jobs may begin now, and when one may, if none may because of the rate.
    pub(super) fn room(&self, policy: &QueuePolicy, running: usize, now: u64) -> (usize, Option<u64>) {
        let most = match policy.max_running {
            0 => usize::MAX,
            most => usize::try_from(most)
                .unwrap_or(usize::MAX)
                .saturating_sub(running),
        };
        let Some(rate) = policy.rate.filter(|_| most > 0) else {
            return (most, None);
        };
        let period = millis(rate.period);
        let recent = self.began.iter().filter(|began| **began + period > now);
        let free = usize::try_from(rate.limit)
            .unwrap_or(usize::MAX)
            .saturating_sub(recent.clone().count());
        let next = recent.min().map(|began| began + period);
        (most.min(free), next.filter(|_| free == 0))
    }

    pub(super) fn may_begin(&self, concurrency: Option<&Concurrency>) -> bool {
        concurrency.is_none_or(|one| self.running.get(one.key()).copied().unwrap_or(0) < one.limit())
    }

    pub(super) fn begin(&mut self, policy: &QueuePolicy, concurrency: Option<&Concurrency>, now: u64) {
        if let Some(concurrency) = concurrency {
            *self.running.entry(concurrency.key().clone()).or_default() += 1;
        }
        if let Some(rate) = policy.rate {
            self.began.push_back(now);
            while self.began.len() > usize::try_from(rate.limit).unwrap_or(usize::MAX) {
                self.began.pop_front();
            }
        }
    }

    /// A job that ran runs no more. Gives the one that may be claimed now.
    pub(super) fn stop(&mut self, concurrency: &Concurrency) -> Option<Ranked> {
        if let Some(running) = self.running.get_mut(concurrency.key()) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(concurrency.key());
            }
        }
        self.next(concurrency.key())
    }

    pub(super) fn park(&mut self, concurrency: &Concurrency, job: Ranked) {
        self.parked
            .entry(concurrency.key().clone())
            .or_default()
            .insert(job);
    }

    /// Takes out the first of those that wait for a key.
    pub(super) fn next(&mut self, key: &ConcurrencyKey) -> Option<Ranked> {
        let parked = self.parked.get_mut(key)?;
        let next = parked.pop_first();
        if parked.is_empty() {
            self.parked.remove(key);
        }
        next
    }

    /// Gives whether it was there.
    pub(super) fn take_out(&mut self, key: &ConcurrencyKey, job: &Ranked) -> bool {
        let Some(parked) = self.parked.get_mut(key) else {
            return false;
        };
        let found = parked.remove(job);
        if parked.is_empty() {
            self.parked.remove(key);
        }
        found
    }

    /// All that are parked, in no order.
    pub(super) fn parked(&self) -> impl Iterator<Item = &Ranked> {
        self.parked.values().flatten()
    }

    /// Nothing runs or waits for a key.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.parked.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::job::Rate;

    #[test]
    fn no_more_begin_in_a_period_than_the_rate_says() {
        let policy = QueuePolicy {
            rate: Some(Rate {
                limit: 2,
                period: Duration::from_millis(100),
            }),
            ..QueuePolicy::default()
        };
        let mut flow = Flow::default();
        assert_eq!(flow.room(&policy, 0, 1_000), (2, None));
        flow.begin(&policy, None, 1_000);
        flow.begin(&policy, None, 1_030);
        assert_eq!(flow.room(&policy, 2, 1_099), (0, Some(1_100)));
        assert_eq!(flow.room(&policy, 2, 1_100), (1, None));
        flow.begin(&policy, None, 1_100);
        assert_eq!(flow.room(&policy, 2, 1_129), (0, Some(1_130)));
        assert_eq!(flow.room(&policy, 2, 1_200), (2, None));
        assert!(flow.is_idle());
    }
}
