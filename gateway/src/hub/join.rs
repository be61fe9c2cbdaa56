//! Becoming a subscriber, without a gap and without a duplicate between the reply and the first live
//! publication.
//!
//! Interest is registered first, so that whatever is handed on from then on is remembered; then the
//! topic is attached, then its log is read, and under the lock the two are put together.

use std::sync::Arc;

use tidegate_shared::broker::BrokerError;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::position::Since;
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;
use tokio::sync::oneshot;

use super::Hub;
use super::delivery::{Delivery, append_all, is_for};
use super::entry::Entry;
use super::feed::Admission;
use super::reading::{Reading, Standing};
use crate::dialect::{Failure, Reply, RequestId, Roll};
use crate::outbox::{FramesBuilder, Outbox};
use crate::presence::{Attendance, roll};
use crate::session::members_limit;

/// How often the log is read for one join before it is given up. Only a topic that changes more within
/// one read than the hub keeps makes it more than once.
const ATTEMPTS: u32 = 8;

/// Keeps a topic's entry, and what is handed on meanwhile, for somebody who is joining.
pub(super) struct Interest<'a> {
    hub: &'a Hub,
    topic: &'a Topic,
}

impl<'a> Interest<'a> {
    pub(super) fn new(hub: &'a Hub, topic: &'a Topic) -> Self {
        hub.shard(topic).lock().entry(topic).begin_join();
        Self { hub, topic }
    }
}

impl Drop for Interest<'_> {
    fn drop(&mut self) {
        let mut shard = self.hub.shard(self.topic).lock();
        shard.entry(self.topic).end_join();
        shard.settle_idle(self.topic);
    }
}

impl Hub {
    /// Makes a connection a live subscriber of a topic. Puts into its outbox, in one piece: what `reply`
    /// makes of where it stands (nothing if that is not to be sent), then the publications after
    /// `since`, then what was published meanwhile. With `roll` the reply says who is present, and
    /// whoever comes or goes after that is told.
    ///
    /// May be dropped at any time; then nothing has happened, or the connection is a subscriber and
    /// must [`Hub::leave`].
    pub(crate) async fn join(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        since: Option<Since>,
        id: Option<&RequestId>,
        roll: Option<&Arc<Attendance>>,
        reply: impl Fn(Standing) -> Reply,
    ) -> Result<(), Failure> {
        self.check_room(topic)?;
        let interest = Interest::new(self, topic);
        self.attached(topic).await?;
        let has_log = self.config().namespaces.of(topic).has_log();
        let mut reading: Option<Reading> = None;
        for attempt in 0..ATTEMPTS {
            let called = match roll {
                Some(attendance) => Some(Box::pin(self.call_roll(attendance, topic, outbox.limit())).await?),
                None => None,
            };
            let reply = |standing: Standing| {
                let roll = called.as_ref().map(|called| called.roll.clone());
                reply(Standing { roll, ..standing })
            };
            let mark = called.as_ref().map(|called| called.mark);
            if !has_log {
                let standing = Standing {
                    position: None,
                    recovered: since.map(|_| false),
                    snapshot: None,
                    roll: None,
                };
                if self.admit_without_log(outbox, topic, mark, greeting(outbox, id, &reply(standing))) {
                    return Ok(());
                }
                continue;
            }
            let now = match reading.take() {
                Some(reading) => Box::pin(self.read_on(topic, reading, outbox.limit())).await?,
                None => match self.at_hand(topic, since).filter(|_| attempt == 0) {
                    Some(reading) => reading,
                    None => Box::pin(self.read(topic, since, outbox.limit())).await?,
                },
            };
            match self.admit(outbox, topic, id, mark, &reply, &now).await? {
                Next::Joined => {
                    self.count_recovery(now.standing.recovered);
                    drop(interest);
                    return Ok(());
                }
                Next::ReadOn => reading = Some(now),
                Next::ReadAnew => {}
            }
        }
        Err(Failure::new(
            ErrorCode::Unavailable,
            format!("topic {topic} changes faster than its log can be read; try again"),
        ))
    }

    /// Whether the node may listen to this topic, too. Many who come at the same moment are a few too many.
    fn check_room(&self, topic: &Topic) -> Result<(), Failure> {
        let limit = self.config().limits.topics;
        let (_, topics) = self.size();
        let is_full = limit > 0 && usize::try_from(topics).is_ok_and(|topics| topics >= limit);
        if is_full && !self.shard(topic).lock().topics.contains_key(topic) {
            let message = format!("this node listens to {limit} topics already (limits.topics)");
            return Err(Failure::new(ErrorCode::LimitExceeded, message));
        }
        Ok(())
    }

    /// Ends a subscription.
    pub(crate) fn leave(&self, outbox: &Arc<Outbox>, topic: &Topic) {
        let mut shard = self.shard(topic).lock();
        let (was_behind, bytes) = outbox.forget(topic);
        self.metrics()
            .outbox
            .bytes
            .sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        let entry = shard.topics.get_mut(topic);
        if entry.is_some_and(|entry| entry.leave(outbox)) {
            self.metrics().hub.subscriptions.dec();
            shard.settle_idle(topic);
        } else if was_behind {
            self.metrics().hub.subscriptions.dec();
        }
    }

    /// Becomes live with what was read; waits for a repair where one is under way.
    async fn admit(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        id: Option<&RequestId>,
        mark: Option<u64>,
        reply: &impl Fn(Standing) -> Reply,
        reading: &Reading,
    ) -> Result<Next, Failure> {
        for _ in 0..ATTEMPTS {
            let mut builder = greeting(outbox, id, &reply(reading.standing.clone()));
            append(&mut builder, outbox, &reading.publications);
            let (admission, repair, wait) = self.try_admit(outbox, topic, mark, builder, reading);
            if let Some(number) = repair {
                self.repair(topic.clone(), number);
            }
            match admission {
                Admission::Level(_) | Admission::Ahead => return Ok(Next::Joined),
                Admission::ReadOn => return Ok(Next::ReadOn),
                Admission::Stale => break,
                Admission::Wait | Admission::Disagree(_) => {}
            }
            if let Some(wait) = wait
                && wait.await == Ok(false)
            {
                return Err(Failure::new(
                    ErrorCode::Unavailable,
                    format!("the log of topic {topic} cannot be read now; try again"),
                ));
            }
            if let Admission::Disagree(_) = admission {
                break;
            }
        }
        Ok(Next::ReadAnew)
    }

    /// `false` if more came and went than is remembered since the roll was called.
    fn admit_without_log(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        mark: Option<u64>,
        mut greeting: FramesBuilder,
    ) -> bool {
        let mut delivery = Delivery::new(&self.metrics().outbox);
        let mut shard = self.shard(topic).lock();
        let Some(mentions) = mentions(shard.entry(topic), mark) else {
            return false;
        };
        append(&mut greeting, outbox, &mentions);
        if let Some(frames) = greeting.finish() {
            delivery.put(outbox, frames);
        }
        let entry = shard.entry(topic);
        entry.feed.open();
        self.count_in(entry.live.insert(outbox.clone()));
        drop(shard);
        true
    }

    async fn call_roll(
        &self,
        attendance: &Arc<Attendance>,
        topic: &Topic,
        limit: usize,
    ) -> Result<Called, Failure> {
        let mark = self.shard(topic).lock().entry(topic).mentions.mark();
        let members = attendance.members(topic).await?;
        Ok(Called {
            roll: roll(&members, members_limit(None), limit / 2),
            mark,
        })
    }

    /// One try: under the lock, and without waiting.
    fn try_admit(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        mark: Option<u64>,
        mut builder: FramesBuilder,
        reading: &Reading,
    ) -> (Admission, Option<u32>, Option<oneshot::Receiver<bool>>) {
        let mut delivery = Delivery::new(&self.metrics().outbox);
        let mut shard = self.shard(topic).lock();
        let entry = shard.entry(topic);
        let Some(mentions) = mentions(entry, mark) else {
            return (Admission::Stale, None, None);
        };
        let (admission, repair) = entry.admit(
            outbox,
            reading.top,
            reading.doubts,
            &mut delivery,
            |rest, delivery| {
                append(&mut builder, outbox, rest);
                append(&mut builder, outbox, &mentions);
                if let Some(frames) = builder.finish() {
                    delivery.put(outbox, frames);
                }
                if reading.ends_with(topic, rest) {
                    delivery.ended(outbox, topic);
                }
            },
        );
        let (repair, wait) = match admission {
            Admission::Level(_) | Admission::Ahead => {
                self.count_in(true);
                (repair, None)
            }
            Admission::ReadOn | Admission::Stale => (repair, None),
            Admission::Wait => (repair, Some(entry.wait())),
            Admission::Disagree(number) => (Some(number), Some(entry.wait())),
        };
        drop(shard);
        drop(delivery);
        (admission, repair, wait)
    }

    fn count_in(&self, is_new: bool) {
        if is_new {
            self.metrics().hub.subscriptions.inc();
        }
    }

    fn count_recovery(&self, recovered: Option<bool>) {
        match recovered {
            None => {}
            Some(true) => self.metrics().hub.recovered.inc(),
            Some(false) => self.metrics().hub.not_recovered.inc(),
        }
    }
}

/// A topic's list as it was, and what to ask with for what has changed since.
struct Called {
    roll: Roll,
    mark: u64,
}

/// Who came and went since the roll was called, if it was; `None` if that is no longer known.
fn mentions(entry: &Entry, mark: Option<u64>) -> Option<Vec<Arc<Publication>>> {
    mark.map_or_else(|| Some(Vec::new()), |mark| entry.mentions.since(mark))
}

/// How a join goes on.
enum Next {
    Joined,
    ReadOn,
    ReadAnew,
}

/// Adds what this connection is to get of some publications.
fn append(builder: &mut FramesBuilder, outbox: &Outbox, publications: &[Arc<Publication>]) {
    let theirs = publications.iter().filter(|one| is_for(one, outbox));
    append_all(builder, outbox.format(), theirs);
}

fn greeting(outbox: &Outbox, id: Option<&RequestId>, reply: &Reply) -> FramesBuilder {
    let mut builder = FramesBuilder::new(outbox.format());
    builder.add(|out| outbox.format().dialect().encode_reply(id, reply, out));
    builder
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
