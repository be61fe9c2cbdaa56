//! Bringing the subscribers of a topic to the top of its log after something may have been missed.
//!
//! A repair reads the log after the position the subscribers have. Where the log leads on they get what
//! was missing, in order; where it does not, they are told: which offsets they will not get, or that
//! what they saw no longer leads to what follows.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tidegate_shared::broker::{BrokerError, From, Lost, Page, READ_LIMIT};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::position::Position;
use tidegate_shared::publication::Snapshot;
use tidegate_shared::topic::Topic;

use super::Hub;
use super::delivery::Delivery;
use super::ending::is_over;
use super::entry::Entry;
use super::feed::Progress;
use super::metrics::GapMetrics;
use crate::dialect::{Failure, Push};

/// Repairs that read at once.
const RUNNING: usize = 32;
/// Reads of one repair before others get their turn.
const READS: u32 = 16;

/// A topic to be repaired, and the number of its repair.
type Job = (Topic, u32);

#[derive(Debug, Default)]
pub(super) struct Repairs {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Job>,
    running: usize,
    /// Those whose read failed: tried again with the next sweep.
    failed: Vec<Job>,
}

/// What a repair has found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    None,
    Repaired,
    Lagged,
    Reset,
}

/// What a repair does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Read(From),
    Done,
    /// It is done, but somebody has seen another history: start the repair with this number.
    Disowned(u32),
}

impl Hub {
    pub(super) fn repair(&self, topic: Topic, number: u32) {
        let mut queue = self.repairs().queue.lock();
        queue.ready.push_back((topic, number));
        if queue.running < RUNNING {
            queue.running += 1;
            drop(queue);
            tokio::spawn(self.clone().run_repairs());
        }
    }

    /// Tries again what failed.
    pub(super) fn retry_repairs(&self) {
        let failed = std::mem::take(&mut self.repairs().queue.lock().failed);
        for (topic, number) in failed {
            self.repair(topic, number);
        }
    }

    async fn run_repairs(self) {
        loop {
            let (topic, number) = {
                let mut queue = self.repairs().queue.lock();
                let Some(job) = queue.ready.pop_front() else {
                    queue.running -= 1;
                    if queue.running == 0 {
                        queue.ready.shrink_to_fit();
                    }
                    return;
                };
                job
            };
            self.run_repair(topic, number).await;
        }
    }

    async fn run_repair(&self, topic: Topic, number: u32) {
        let lags = self.config().namespaces.of(&topic).kind == tidegate_shared::namespace::TopicKind::Plain;
        let mut outcome = Outcome::None;
        let mut next = None;
        for _ in 0..READS {
            let from = {
                let mut shard = self.shard(&topic).lock();
                let Some(entry) = shard.topics.get_mut(&topic) else {
                    return;
                };
                if !entry.feed.is_repairing(number) {
                    return;
                }
                let Some(first) = begin(entry) else { return };
                next.take().unwrap_or(first)
            };
            let page = self.broker().read(&topic, from, READ_LIMIT).await;
            let mut delivery = Delivery::new(&self.metrics().outbox);
            let mut shard = self.shard(&topic).lock();
            let Some(entry) = shard.topics.get_mut(&topic) else {
                return;
            };
            if !entry.feed.is_repairing(number) {
                return;
            }
            let step = match page {
                Ok(page) => {
                    let step = apply(entry, &topic, from, &page, lags, &mut outcome, &mut delivery);
                    // All of them may have fallen behind: then the repair ends with the next round.
                    entry.is_idle().then(|| shard.settle_idle(&topic));
                    step
                }
                Err(error) => {
                    tracing::debug!(%topic, %error, "the log could not be read for a repair");
                    self.metrics().hub.gaps.failed.inc();
                    entry.end_wait(false);
                    if matches!(error, BrokerError::UnknownTopic(_)) {
                        conclude(entry, &topic, &mut delivery);
                        return;
                    }
                    drop(shard);
                    self.repairs().queue.lock().failed.push((topic, number));
                    return;
                }
            };
            match step {
                Step::Done => {
                    if let Some(entry) = shard.topics.get_mut(&topic) {
                        entry.end_wait(true);
                    }
                    outcome.count(&self.metrics().hub.gaps);
                    return;
                }
                Step::Disowned(number) => {
                    drop(shard);
                    self.repair(topic.clone(), number);
                    return;
                }
                Step::Read(From::After(_)) => next = None,
                Step::Read(from) => next = Some(from),
            }
        }
        outcome.count(&self.metrics().hub.gaps);
        self.repair(topic, number);
    }
}

/// What to read first, and whenever nothing else is asked for.
pub(super) fn begin(entry: &mut Entry) -> Option<From> {
    let last = entry.feed.begin_read()?;
    Some(if entry.feed.must_reset() {
        From::Now
    } else {
        From::After(last.into())
    })
}

/// Hands on what a page brings. `lags`: the topic's subscribers can be told which offsets they miss.
pub(super) fn apply(
    entry: &mut Entry,
    topic: &Topic,
    from: From,
    page: &Page,
    lags: bool,
    outcome: &mut Outcome,
    delivery: &mut Delivery<'_>,
) -> Step {
    let (Some(last), Some(top)) = (entry.feed.position(), page.top) else {
        // The backend keeps no log of it: nothing can be missing.
        entry.feed.open();
        return Step::Done;
    };
    let again = Step::Read(From::After(last.into()));
    match (from, page.lost) {
        (From::Now, _) => {
            reset(entry, topic, top, page.snapshot.as_ref(), Lost::Fork, delivery);
            *outcome = Outcome::Reset;
        }
        (From::After(_), Some(Lost::Trimmed)) if lags => return Step::Read(From::Newest),
        (From::After(_), Some(reason)) => {
            reset(entry, topic, top, page.snapshot.as_ref(), reason, delivery);
            *outcome = Outcome::Reset;
        }
        (From::After(_), None) => {
            if !page.publications.is_empty() {
                *outcome = (*outcome).max(Outcome::Repaired);
            }
        }
        (From::Newest, _) => {
            let before = match page.publications.first().and_then(|first| first.place) {
                Some(first) => Position {
                    epoch: first.position.epoch,
                    offset: first.position.offset.saturating_sub(1),
                    tag: first.previous,
                },
                None => top,
            };
            if before.epoch != last.epoch || before.offset <= last.offset {
                return again;
            }
            if entry.live.is_forked_at(&before) {
                entry.feed.disown();
                return Step::Read(From::Now);
            }
            for outbox in entry.live.iter() {
                let has = entry
                    .live
                    .ahead(outbox)
                    .map_or(last.offset, |at| at.offset.max(last.offset));
                if has < before.offset {
                    let (from, to) = (has + 1, before.offset);
                    delivery.push(outbox, &Push::Lagged { topic, from, to }, entry.slow);
                }
            }
            entry.feed.jump(before);
            *outcome = (*outcome).max(Outcome::Lagged);
        }
    }
    // Who was told that it missed something is there now too, however far ahead it had been before.
    entry.live.reached(&entry.feed.position().unwrap_or(last));
    let mut released = Vec::new();
    let joining = entry.is_joining();
    let progress = entry.feed.read(&page.publications, &top, joining, &mut released);
    match (entry.deliver(&released, delivery), progress) {
        (Some(number), _) => Step::Disowned(number),
        // Nobody is admitted during a repair: who is still ahead of it has seen what the log, read
        // later, does not have.
        (None, Progress::Done) if entry.live.has_ahead() => {
            entry.feed.disown().map_or(Step::Done, Step::Disowned)
        }
        (None, Progress::Done) => Step::Done,
        (None, Progress::ReadOn) => again,
    }
}

/// Takes everybody to the top of the log.
fn reset(
    entry: &mut Entry,
    topic: &Topic,
    position: Position,
    snapshot: Option<&Snapshot>,
    reason: Lost,
    delivery: &mut Delivery<'_>,
) {
    let push = Push::Reset {
        topic,
        position,
        snapshot,
        reason: reason.name(),
    };
    let is_over = is_over(topic, snapshot);
    for outbox in entry.live.iter() {
        if entry.live.ahead(outbox) != Some(position) {
            delivery.push(outbox, &push, entry.slow);
        }
        if is_over {
            delivery.ended(outbox, topic);
        }
    }
    entry.live.level();
    entry.feed.jump(position);
}

/// The topic is gone for good: nothing will follow.
fn conclude(entry: &mut Entry, topic: &Topic, delivery: &mut Delivery<'_>) {
    vanished(topic, |push| {
        for outbox in entry.live.iter() {
            delivery.push(outbox, push, entry.slow);
            delivery.ended(outbox, topic);
        }
    });
    entry.feed.conclude(entry.is_joining(), &mut Vec::new());
}

/// Hands on what subscribers of a topic are told that is gone.
pub(super) fn vanished(topic: &Topic, tell: impl FnOnce(&Push<'_>)) {
    let failure = Failure::new(
        ErrorCode::UnknownTopic,
        format!("topic {topic} does not exist any more: nothing will follow"),
    );
    tell(&Push::Failed {
        topic: Some(topic),
        failure: &failure,
    });
}

impl Outcome {
    fn count(self, gaps: &GapMetrics) {
        match self {
            Self::None => gaps.none.inc(),
            Self::Repaired => gaps.repaired.inc(),
            Self::Lagged => gaps.lagged.inc(),
            Self::Reset => gaps.reset.inc(),
        }
    }
}
