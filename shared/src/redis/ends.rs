//! When keys of attached state topics end, as far as this node knows, and the task that has them ended.
//! Every node that has a topic attached does it; the script sees to it that it happens once.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::states::States;
use crate::topic::Topic;

/// Topics that are looked at together.
const BATCH: usize = 64;
/// Nodes look at different moments, so that mostly one of them finds something to do.
const JITTER_MS: u64 = 300;
/// After a look that left something to do.
const AGAIN_MS: u64 = 20;
/// After a failed look.
const RETRY_MS: u64 = 1_000;
/// A topic without an end in sight is looked at so often, in case a publication was missed that told one.
const IDLE_MS: u64 = 300_000;
/// Clocks may be set, so nothing is waited for longer.
const LONGEST: Duration = Duration::from_secs(5);

/// Times are milliseconds since 1970 by Redis's clock.
#[derive(Debug, Default)]
pub(super) struct Ends {
    schedule: Mutex<Schedule>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Schedule {
    /// The attached state topics, and when each is looked at next.
    topics: HashMap<Topic, u64>,
    order: BTreeSet<(u64, Topic)>,
}

impl Ends {
    /// The topic is attached: when its keys end is found out.
    pub(super) fn watch(&self, topic: &Topic) {
        self.schedule.lock().put(topic, 0);
        self.earlier.notify_one();
    }

    pub(super) fn forget(&self, topic: &Topic) {
        let mut schedule = self.schedule.lock();
        if let Some(at) = schedule.topics.remove(topic) {
            schedule.order.remove(&(at, topic.clone()));
        }
    }

    /// A key of this topic ends then.
    pub(super) fn note(&self, topic: &Topic, end: u64) {
        let mut schedule = self.schedule.lock();
        if schedule.topics.get(topic).is_some_and(|at| end < *at) {
            schedule.put(topic, end.saturating_add(jitter()));
            drop(schedule);
            self.earlier.notify_one();
        }
    }

    /// Something may have been missed about this topic, or about any.
    pub(super) fn suspect(&self, topic: Option<&Topic>) {
        let mut schedule = self.schedule.lock();
        let topics: Vec<Topic> = match topic {
            Some(topic) if schedule.topics.contains_key(topic) => vec![topic.clone()],
            Some(_) => Vec::new(),
            None => schedule.topics.keys().cloned().collect(),
        };
        for topic in topics {
            schedule.put(&topic, 0);
        }
        drop(schedule);
        self.earlier.notify_one();
    }

    /// Ends keys until `shutdown`.
    pub(super) async fn run(&self, states: States, shutdown: CancellationToken) {
        loop {
            let due = self.schedule.lock().take_due(states.commands.now_ms());
            if due.is_empty() {
                let next = self.schedule.lock().order.first().map(|(at, _)| *at);
                let pause = next.map_or(LONGEST, |at| {
                    Duration::from_millis(at.saturating_sub(states.commands.now_ms())).min(LONGEST)
                });
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                    () = self.earlier.notified() => {}
                }
                continue;
            }
            let sweeps = due.iter().map(|topic| states.sweep(topic));
            let outcomes = tokio::select! {
                () = shutdown.cancelled() => return,
                outcomes = futures_util::future::join_all(sweeps) => outcomes,
            };
            let now = states.commands.now_ms();
            let mut schedule = self.schedule.lock();
            for (topic, outcome) in due.iter().zip(outcomes) {
                let next = match outcome {
                    // More than one look ends, or Redis's clock is a little behind.
                    Ok(Some(end)) if end <= now => now.saturating_add(AGAIN_MS),
                    Ok(Some(end)) => end.min(now.saturating_add(IDLE_MS)).saturating_add(jitter()),
                    Ok(None) => now.saturating_add(IDLE_MS + 100 * jitter()),
                    Err(_) => now.saturating_add(RETRY_MS + jitter()),
                };
                schedule.settle(topic, next);
            }
        }
    }
}

impl Schedule {
    fn put(&mut self, topic: &Topic, at: u64) {
        if let Some(old) = self.topics.insert(topic.clone(), at) {
            self.order.remove(&(old, topic.clone()));
        }
        self.order.insert((at, topic.clone()));
    }

    /// Topics to be looked at now. Each stays, without a time, until [`Schedule::settle`].
    fn take_due(&mut self, now: u64) -> Vec<Topic> {
        let mut due = Vec::new();
        while due.len() < BATCH
            && let Some((at, topic)) = self.order.pop_first()
        {
            if at > now {
                self.order.insert((at, topic));
                break;
            }
            self.topics.insert(topic.clone(), u64::MAX);
            due.push(topic);
        }
        due
    }

    /// The topic was looked at. What was noted meanwhile counts if it is sooner, and nothing if it was
    /// detached.
    fn settle(&mut self, topic: &Topic, next: u64) {
        if let Some(noted) = self.topics.get(topic)
            && next < *noted
        {
            self.put(topic, next);
        }
    }
}

fn jitter() -> u64 {
    rand::random_range(0..JITTER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic::parse(text).expect("valid")
    }

    #[test]
    fn a_topic_is_looked_at_when_its_first_key_ends_and_not_once_detached() {
        let ends = Ends::default();
        let (a, b) = (topic("a"), topic("b"));
        ends.note(&a, 5);
        assert!(ends.schedule.lock().take_due(u64::MAX).is_empty(), "not attached");
        ends.watch(&a);
        ends.watch(&b);
        assert_eq!(ends.schedule.lock().take_due(1), [a.clone(), b.clone()]);
        // Noted while it is looked at.
        ends.note(&a, 5_000);
        ends.schedule.lock().settle(&a, 90_000);
        ends.schedule.lock().settle(&b, 7_000);
        ends.note(&b, 9_000);
        assert!(ends.schedule.lock().take_due(4_999).is_empty());
        assert_eq!(
            ends.schedule.lock().take_due(5_000 + JITTER_MS),
            std::slice::from_ref(&a)
        );
        ends.schedule.lock().settle(&a, 10_000);
        assert_eq!(ends.schedule.lock().take_due(7_000), std::slice::from_ref(&b));
        ends.forget(&b);
        ends.schedule.lock().settle(&b, 7_001);
        ends.forget(&a);
        assert!(ends.schedule.lock().take_due(u64::MAX).is_empty());
        assert!(ends.schedule.lock().topics.is_empty());
    }

    #[test]
    fn after_a_loss_every_topic_is_looked_at() {
        let ends = Ends::default();
        for name in ["a", "b", "c"] {
            ends.watch(&topic(name));
        }
        let due = ends.schedule.lock().take_due(1);
        for topic in &due {
            ends.schedule.lock().settle(topic, 1_000);
        }
        ends.suspect(Some(&topic("b")));
        assert_eq!(ends.schedule.lock().take_due(1), [topic("b")]);
        ends.suspect(None);
        assert_eq!(ends.schedule.lock().take_due(1).len(), 3);
    }
}
