//! Becoming a subscriber, without a gap and without a duplicate between the reply and the first live
//! publication.
//!
//! Interest is registered first, so that whatever is handed on from then on is remembered; then the
//! topic is attached, then its log is read, and under the lock the two are put together.

use std::sync::Arc;

use tidegate_shared::broker::{BrokerError, From, READ_LIMIT};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::position::{Position, Since};
use tidegate_shared::publication::{Publication, Snapshot};
use tidegate_shared::topic::Topic;
use tokio::sync::oneshot;

use super::Hub;
use super::delivery::{Delivery, append_all};
use super::feed::{Admission, size};
use crate::dialect::{Failure, Reply, RequestId};
use crate::outbox::{FramesBuilder, Outbox};

/// How often the log is read for one join before it is given up. Only a topic that changes more within
/// one read than the hub keeps makes it more than once.
const ATTEMPTS: u32 = 8;

/// Where a subscriber stands when it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    pub(crate) position: Option<Position>,
    /// Only if it came with a position.
    pub(crate) recovered: Option<bool>,
    pub(crate) snapshot: Option<Snapshot>,
}

/// What a joiner has got from the log.
struct Reading {
    standing: Standing,
    /// What follows the position it came with.
    publications: Vec<Arc<Publication>>,
    /// The position that the publications lead to.
    top: Position,
}

/// Keeps a topic's entry, and what is handed on meanwhile, for somebody who is joining.
struct Interest<'a> {
    hub: &'a Hub,
    topic: &'a Topic,
}

impl<'a> Interest<'a> {
    fn new(hub: &'a Hub, topic: &'a Topic) -> Self {
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
    /// `since`, then what was published meanwhile.
    ///
    /// May be dropped at any time; then nothing has happened, or the connection is a subscriber and
    /// must [`Hub::leave`].
    pub(crate) async fn join(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        since: Option<Since>,
        id: Option<&RequestId>,
        reply: impl Fn(Standing) -> Reply,
    ) -> Result<(), Failure> {
        let interest = Interest::new(self, topic);
        self.attached(topic).await?;
        if !self.config().namespaces.of(topic).has_log() {
            let standing = Standing {
                position: None,
                recovered: since.map(|_| false),
                snapshot: None,
            };
            self.admit_without_log(outbox, topic, greeting(outbox, id, &reply(standing)));
            return Ok(());
        }
        let mut reading: Option<Reading> = None;
        for _ in 0..ATTEMPTS {
            let now = match reading.take() {
                Some(reading) => self.read_on(topic, reading, outbox.limit()).await?,
                None => self.read(topic, since, outbox.limit()).await?,
            };
            match self.admit(outbox, topic, id, &reply, &now).await? {
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

    /// Ends a subscription.
    pub(crate) fn leave(&self, outbox: &Arc<Outbox>, topic: &Topic) {
        let mut shard = self.shard(topic).lock();
        if let Some(entry) = shard.topics.get_mut(topic)
            && entry.leave(outbox)
        {
            self.metrics().hub.subscriptions.dec();
            shard.settle_idle(topic);
        }
    }

    /// Becomes live with what was read; waits for a repair where one is under way.
    async fn admit(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        id: Option<&RequestId>,
        reply: &impl Fn(Standing) -> Reply,
        reading: &Reading,
    ) -> Result<Next, Failure> {
        let mut has_waited = false;
        loop {
            let mut builder = greeting(outbox, id, &reply(reading.standing.clone()));
            append(&mut builder, outbox, &reading.publications);
            let (admission, repair, wait) = self.try_admit(outbox, topic, builder, reading.top);
            if let Some(number) = repair {
                self.repair(topic.clone(), number);
            }
            match admission {
                Admission::Level(_) | Admission::Ahead => return Ok(Next::Joined),
                Admission::ReadOn => return Ok(Next::ReadOn),
                Admission::Wait if has_waited => {
                    return Err(Failure::new(
                        ErrorCode::Unavailable,
                        format!("the log of topic {topic} cannot be read now; try again"),
                    ));
                }
                Admission::Wait | Admission::Disagree(_) => {}
            }
            // However the repair ends, what matters is what is found after it.
            if let Some(wait) = wait {
                let _ = wait.await;
            }
            if let Admission::Disagree(_) = admission {
                return Ok(Next::ReadAnew);
            }
            has_waited = true;
        }
    }

    fn admit_without_log(&self, outbox: &Arc<Outbox>, topic: &Topic, greeting: FramesBuilder) {
        let mut delivery = Delivery::new(&self.metrics().outbox);
        let mut shard = self.shard(topic).lock();
        if let Some(frames) = greeting.finish() {
            delivery.put(outbox, frames);
        }
        let entry = shard.entry(topic);
        entry.feed.open();
        self.count_in(entry.live.insert(outbox.clone()));
        drop(shard);
    }

    /// One try: under the lock, and without waiting.
    fn try_admit(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        mut builder: FramesBuilder,
        top: Position,
    ) -> (Admission, Option<u32>, Option<oneshot::Receiver<()>>) {
        let mut delivery = Delivery::new(&self.metrics().outbox);
        let mut shard = self.shard(topic).lock();
        let entry = shard.entry(topic);
        let (admission, repair) = entry.admit(outbox, top, &mut delivery, |rest, delivery| {
            append(&mut builder, outbox, rest);
            if let Some(frames) = builder.finish() {
                delivery.put(outbox, frames);
            }
        });
        let (repair, wait) = match admission {
            Admission::Level(_) | Admission::Ahead => {
                self.count_in(true);
                (repair, None)
            }
            Admission::ReadOn => (repair, None),
            Admission::Wait => (repair, Some(entry.wait())),
            Admission::Disagree(number) => (Some(number), Some(entry.wait())),
        };
        drop(shard);
        drop(delivery);
        (admission, repair, wait)
    }

    async fn read(&self, topic: &Topic, since: Option<Since>, limit: usize) -> Result<Reading, Failure> {
        let Some(since) = since else {
            return self.read_now(topic, None).await;
        };
        let page = self.broker().read(topic, From::After(since), READ_LIMIT).await?;
        let top = page.top.ok_or_else(|| without_log(topic))?;
        if page.lost.is_some() {
            return Ok(Reading {
                standing: Standing {
                    position: Some(top),
                    recovered: Some(false),
                    snapshot: page.snapshot,
                },
                publications: Vec::new(),
                top,
            });
        }
        let reading = Reading {
            top: page
                .publications
                .last()
                .and_then(|last| last.place)
                .map_or(top, |place| place.position),
            standing: Standing {
                position: Some(top),
                recovered: Some(true),
                snapshot: None,
            },
            publications: page.publications,
        };
        self.complete(topic, reading, limit).await
    }

    /// Reads what has come after.
    async fn read_on(&self, topic: &Topic, reading: Reading, limit: usize) -> Result<Reading, Failure> {
        if reading.standing.recovered == Some(true) {
            self.more(topic, reading, limit).await
        } else {
            self.read_now(topic, reading.standing.recovered).await
        }
    }

    /// Reads the rest of what a client missed, unless it is more than its outbox should be filled with.
    async fn complete(&self, topic: &Topic, mut reading: Reading, limit: usize) -> Result<Reading, Failure> {
        loop {
            let bytes: usize = reading.publications.iter().map(|one| size(one)).sum();
            if bytes > limit / 2 {
                return self.read_now(topic, Some(false)).await;
            }
            if reading.standing.recovered != Some(true) || reading.standing.position == Some(reading.top) {
                return Ok(reading);
            }
            reading = self.page(topic, reading).await?;
        }
    }

    async fn more(&self, topic: &Topic, reading: Reading, limit: usize) -> Result<Reading, Failure> {
        let reading = self.page(topic, reading).await?;
        self.complete(topic, reading, limit).await
    }

    async fn page(&self, topic: &Topic, mut reading: Reading) -> Result<Reading, Failure> {
        let page = self
            .broker()
            .read(topic, From::After(reading.top.into()), READ_LIMIT)
            .await?;
        let top = page.top.ok_or_else(|| without_log(topic))?;
        reading.standing.position = Some(top);
        if page.lost.is_some() {
            reading.standing.recovered = Some(false);
            reading.standing.snapshot = page.snapshot;
            reading.publications.clear();
            reading.top = top;
            return Ok(reading);
        }
        reading.top = page
            .publications
            .last()
            .and_then(|last| last.place)
            .map_or(top, |place| place.position);
        reading.publications.extend(page.publications);
        Ok(reading)
    }

    async fn read_now(&self, topic: &Topic, recovered: Option<bool>) -> Result<Reading, Failure> {
        let page = self.broker().read(topic, From::Now, 0).await?;
        let top = page.top.ok_or_else(|| without_log(topic))?;
        Ok(Reading {
            standing: Standing {
                position: Some(top),
                recovered,
                snapshot: page.snapshot,
            },
            publications: Vec::new(),
            top,
        })
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

/// How a join goes on.
enum Next {
    Joined,
    ReadOn,
    ReadAnew,
}

/// Adds what this connection is to get of some publications.
fn append(builder: &mut FramesBuilder, outbox: &Outbox, publications: &[Arc<Publication>]) {
    let theirs = publications
        .iter()
        .filter(|one| one.exclude != Some(outbox.session()));
    append_all(builder, outbox.format(), theirs);
}

fn greeting(outbox: &Outbox, id: Option<&RequestId>, reply: &Reply) -> FramesBuilder {
    let mut builder = FramesBuilder::new(outbox.format());
    builder.add(|out| outbox.format().dialect().encode_reply(id, reply, out));
    builder
}

fn without_log(topic: &Topic) -> Failure {
    BrokerError::Internal(format!(
        "topic {topic} has no log where its namespace says it has one"
    ))
    .into()
}
