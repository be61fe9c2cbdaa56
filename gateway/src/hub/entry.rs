//! What the hub knows of one topic. Every method runs under its shard's lock and never waits.

use std::sync::Arc;

use tidegate_shared::namespace::{Namespace, SlowPolicy};
use tidegate_shared::position::Position;
use tidegate_shared::publication::Publication;
use tokio::sync::oneshot;

use super::attach::Attachment;
use super::delivery::Delivery;
use super::feed::{Admission, Arrival, Feed};
use super::mentions::Mentions;
use super::reached::Expectants;
use super::subscribers::Subscribers;
use crate::outbox::Outbox;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) attachment: Attachment,
    pub(super) feed: Feed,
    /// Only while somebody is joining.
    pub(super) mentions: Mentions,
    /// Those who are handed what arrives. Who has fallen behind is not among them: it reads the log.
    pub(super) live: Subscribers,
    /// What becomes of subscribers that do not keep up.
    pub(super) slow: SlowPolicy,
    /// How many are about to become live.
    joining: u32,
    /// Those who wait for the end of a repair.
    waiting: Vec<oneshot::Sender<bool>>,
    /// Those who wait for what is about to arrive.
    expectants: Expectants,
    /// Counts how often it has become idle, so that an old reason to detach it is told from a new one.
    idle: u32,
}

impl Entry {
    pub(super) fn new(namespace: &Namespace) -> Self {
        let slow = match namespace.slow {
            SlowPolicy::CatchUp if !namespace.has_log() => SlowPolicy::Close,
            slow => slow,
        };
        Self {
            slow,
            attachment: Attachment::Detached,
            feed: Feed::default(),
            mentions: Mentions::default(),
            live: Subscribers::default(),
            joining: 0,
            waiting: Vec::new(),
            expectants: Expectants::default(),
            idle: 0,
        }
    }

    pub(super) fn is_joining(&self) -> bool {
        self.joining > 0
    }

    /// Nobody is live or about to be.
    pub(super) fn is_idle(&self) -> bool {
        self.joining == 0 && self.live.is_empty()
    }

    /// Marks the beginning of an idle time.
    pub(super) fn begin_idle(&mut self) -> u32 {
        self.idle = self.idle.wrapping_add(1);
        self.idle
    }

    pub(super) fn is_idle_since(&self, mark: u32) -> bool {
        self.is_idle() && self.idle == mark
    }

    pub(super) fn begin_join(&mut self) {
        self.joining += 1;
    }

    pub(super) fn end_join(&mut self) {
        self.joining = self.joining.saturating_sub(1);
        if self.joining == 0 {
            self.feed.joined();
            self.mentions.forget();
        }
    }

    /// `false` if it was not live.
    pub(super) fn leave(&mut self, outbox: &Arc<Outbox>) -> bool {
        let was_live = self.live.remove(outbox);
        if was_live && self.live.is_empty() {
            self.feed.forget(self.is_joining());
            self.end_wait(true);
        }
        was_live
    }

    /// What to wait on for the end of the repair that runs; `false` if it could not read the log.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<bool> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.retain(|one| !one.is_closed());
        self.waiting.push(sender);
        receiver
    }

    /// What to wait on for something to arrive.
    pub(super) fn expect_more(&mut self) -> oneshot::Receiver<()> {
        self.expectants.add()
    }

    pub(super) fn end_wait(&mut self, could_read: bool) {
        self.expectants.tell();
        for one in std::mem::take(&mut self.waiting) {
            // Who stopped waiting does not care.
            let _ = one.send(could_read);
        }
    }

    /// A run of this topic's live publications. Gives the number of the repair to start.
    pub(super) fn arrive(&mut self, run: &[Arc<Publication>], delivery: &mut Delivery<'_>) -> Option<u32> {
        if self.is_idle() {
            return None;
        }
        let joining = self.is_joining();
        if joining {
            self.mentions.hear(run);
        }
        let mut repair = None;
        // Nearly always all of it, as it came.
        let whole = run.iter().position(|one| match self.feed.arrive(one, joining) {
            Arrival::Deliver => false,
            Arrival::Nothing => true,
            Arrival::Hole(number) => {
                repair = Some(number);
                true
            }
        });
        let Some(first) = whole else {
            return self.deliver(run, delivery);
        };
        let mut some = run[..first].to_vec();
        for one in &run[first + 1..] {
            match self.feed.arrive(one, joining) {
                Arrival::Deliver => some.push(one.clone()),
                Arrival::Nothing => {}
                Arrival::Hole(number) => repair = Some(number),
            }
        }
        self.deliver(&some, delivery).or(repair)
    }

    /// Somebody has read up to `top` and becomes live, if that is possible now. `greet` puts what was
    /// read, and then the publications it is given, into the outbox.
    pub(super) fn admit(
        &mut self,
        outbox: &Arc<Outbox>,
        top: Position,
        doubts: u32,
        delivery: &mut Delivery<'_>,
        greet: impl FnOnce(&[Arc<Publication>], &mut Delivery<'_>),
    ) -> (Admission, Option<u32>) {
        let is_first = self.feed.position().is_none();
        let admission = self.feed.admit(top, doubts);
        match &admission {
            Admission::Level(rest) => {
                greet(rest, delivery);
                self.live.insert(outbox.clone());
            }
            Admission::Ahead => {
                greet(&[], delivery);
                self.live.insert(outbox.clone());
                self.live.set_ahead(outbox.clone(), top);
            }
            Admission::Stale | Admission::Wait | Admission::ReadOn | Admission::Disagree(_) => {}
        }
        let mut repair = None;
        if is_first && self.feed.position().is_some() {
            let mut held = Vec::new();
            repair = self.feed.settle(self.is_joining(), &mut held);
            repair = self.deliver(&held, delivery).or(repair);
        }
        (admission, repair)
    }

    /// Hands on what the feed has released. Gives the number of the repair to start, if somebody turns
    /// out to have seen another history. Who falls behind leaves: the topic may be idle then.
    pub(super) fn deliver(&mut self, run: &[Arc<Publication>], delivery: &mut Delivery<'_>) -> Option<u32> {
        if run.is_empty() {
            return None;
        }
        let handed = delivery.publications(&mut self.live, run, self.slow);
        let repair = if handed.agreed { None } else { self.feed.disown() };
        for outbox in &handed.behind {
            self.leave(outbox);
        }
        self.expectants.tell();
        repair
    }
}
