//! Bringing one subscriber that did not keep up back among the others, by the log.
//!
//! It has left those who are handed what arrives; its outbox knows where it stands. When it has taken
//! what waited it gets a page of the log, and so on until it is where the others are. So it costs one
//! page, however far it is behind, and is promised what all are: contiguous, or told.

use std::sync::Arc;

use tidegate_shared::broker::{BrokerError, From, Lost, Page, READ_LIMIT};
use tidegate_shared::namespace::TopicKind;
use tidegate_shared::position::{Offset, Position};
use tidegate_shared::publication::{Publication, Snapshot};
use tidegate_shared::topic::Topic;

use super::Hub;
use super::delivery::{Delivery, append_all, is_for};
use super::ending::{ends, is_over};
use super::feed::Admission;
use super::join::Interest;
use super::repair::vanished;
use crate::dialect::Push;
use crate::outbox::{Frames, FramesBuilder, Outbox};

/// The part of its outbox that one page fills.
const PAGE: usize = 8;

/// What a page of the log means for somebody who has come to some position.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It gets this, and then stands at `to`.
    Hand(Stretch),
    /// The position is no longer in the log; see what still is.
    ReadNewest,
    /// The log has changed meanwhile: read after the position again.
    ReadAgain,
}

#[derive(Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) notice: Option<Notice>,
    pub(super) publications: Vec<Arc<Publication>>,
    pub(super) to: Position,
    /// That is the top of the log.
    pub(super) is_all: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Notice {
    Lagged {
        from: Offset,
        to: Offset,
    },
    Reset {
        reason: Lost,
        snapshot: Option<Snapshot>,
    },
}

/// How one page went.
enum Paged {
    /// The subscriber has come further, or is told when to try again.
    Done,
    /// After the repair that runs.
    AfterRepair(tokio::sync::oneshot::Receiver<bool>),
}

impl Hub {
    /// Puts into the outbox of a subscriber that stands at `at` the next page of the topic's log. Where
    /// that leads to the top it is live again. If its outbox has no room nothing happens.
    ///
    /// May be dropped at any time; then nothing has happened, or all of it.
    pub(crate) async fn catch_up(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        at: Position,
    ) -> Result<(), BrokerError> {
        match self.page_after(outbox, topic, at).await {
            Ok(Paged::Done) => Ok(()),
            Ok(Paged::AfterRepair(wait)) => {
                // Whether it could read the log shows with the next page.
                let _ = wait.await;
                Ok(())
            }
            Err(BrokerError::UnknownTopic(_)) => {
                self.vanished_for(outbox, topic);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn page_after(
        &self,
        outbox: &Arc<Outbox>,
        topic: &Topic,
        at: Position,
    ) -> Result<Paged, BrokerError> {
        // What is handed on from now on is remembered.
        let interest = Interest::new(self, topic);
        self.attached(topic).await?;
        let doubts = self.shard(topic).lock().entry(topic).feed.doubts();
        let lags = self.config().namespaces.of(topic).kind == TopicKind::Plain;
        let mut from = From::After(at.into());
        let stretch = loop {
            let page = self.broker().read(topic, from, READ_LIMIT).await?;
            match judge(at, from, page, lags, outbox.limit() / PAGE) {
                Verdict::Hand(stretch) => break stretch,
                Verdict::ReadNewest => from = From::Newest,
                Verdict::ReadAgain => from = From::After(at.into()),
            }
        };
        let paged = self.hand(outbox, topic, &stretch, doubts);
        drop(interest);
        Ok(paged)
    }

    /// Under the lock, and without waiting.
    fn hand(&self, outbox: &Arc<Outbox>, topic: &Topic, stretch: &Stretch, doubts: u32) -> Paged {
        let mut delivery = Delivery::new(&self.metrics().outbox);
        let mut shard = self.shard(topic).lock();
        let entry = shard.entry(topic);
        let mut put = None;
        let mut repair = None;
        let mut wait = None;
        if stretch.is_all {
            let (admission, begun) =
                entry.admit(outbox, stretch.to, doubts, &mut delivery, |rest, delivery| {
                    let frames = stretch.encode(outbox, topic, rest);
                    let fits = delivery.put_page(outbox, frames, topic, None);
                    put = Some(fits);
                    if fits && stretch.ends_with(topic, rest) {
                        delivery.ended(outbox, topic);
                    }
                });
            repair = begun;
            match admission {
                Admission::Level(_) | Admission::Ahead | Admission::Stale | Admission::ReadOn => {}
                Admission::Wait => wait = Some(entry.wait()),
                Admission::Disagree(number) => {
                    repair = Some(number);
                    wait = Some(entry.wait());
                }
            }
            if put == Some(false) {
                entry.leave(outbox);
            }
        }
        if put.is_none() {
            let frames = stretch.encode(outbox, topic, &[]);
            let fits = delivery.put_page(outbox, frames, topic, Some(stretch.to));
            put = Some(fits);
            if fits && stretch.is_all && stretch.ends_with(topic, &[]) {
                delivery.ended(outbox, topic);
            }
        }
        drop(shard);
        drop(delivery);
        if put == Some(true) {
            self.count_stretch(stretch);
        }
        if let Some(number) = repair {
            self.repair(topic.clone(), number);
        }
        wait.map_or(Paged::Done, Paged::AfterRepair)
    }

    fn vanished_for(&self, outbox: &Arc<Outbox>, topic: &Topic) {
        let mut builder = FramesBuilder::new(outbox.format());
        builder.add(|out| vanished(topic, |push| outbox.format().dialect().encode_push(push, out)));
        let mut delivery = Delivery::new(&self.metrics().outbox);
        let mut shard = self.shard(topic).lock();
        if delivery.put_page(outbox, builder.finish(), topic, None) {
            // Still subscribed, to nothing.
            shard.entry(topic).live.insert(outbox.clone());
            delivery.ended(outbox, topic);
        }
        drop(shard);
    }

    fn count_stretch(&self, stretch: &Stretch) {
        let gaps = &self.metrics().hub.gaps;
        match stretch.notice {
            None => {}
            Some(Notice::Lagged { from, to }) => {
                gaps.lagged.inc();
                self.metrics()
                    .outbox
                    .dropped_lagged
                    .inc_by((to + 1).saturating_sub(from));
            }
            Some(Notice::Reset { .. }) => gaps.reset.inc(),
        }
    }
}

impl Stretch {
    /// Whether the topic's job is over for who gets this, and then `rest`.
    fn ends_with(&self, topic: &Topic, rest: &[Arc<Publication>]) -> bool {
        match (rest, &*self.publications, &self.notice) {
            ([], [], Some(Notice::Reset { snapshot, .. })) => is_over(topic, snapshot.as_ref()),
            ([], read, _) => ends(read),
            (rest, ..) => ends(rest),
        }
    }

    fn encode(&self, outbox: &Outbox, topic: &Topic, rest: &[Arc<Publication>]) -> Option<Frames> {
        let format = outbox.format();
        let mut builder = FramesBuilder::new(format);
        if let Some(notice) = &self.notice {
            let push = match notice {
                Notice::Lagged { from, to } => Push::Lagged {
                    topic,
                    from: *from,
                    to: *to,
                },
                Notice::Reset { reason, snapshot } => Push::Reset {
                    topic,
                    position: self.to,
                    snapshot: snapshot.as_ref(),
                    reason: reason.name(),
                },
            };
            builder.add(|out| format.dialect().encode_push(&push, out));
        }
        let theirs = self
            .publications
            .iter()
            .chain(rest)
            .filter(|one| is_for(one, outbox));
        append_all(&mut builder, format, theirs);
        builder.finish()
    }
}

/// What `page`, read by `from` for somebody at `at`, means. `lags`: the topic's subscribers can be told
/// which offsets they miss. At most about `budget` bytes of publications, but one at least.
pub(super) fn judge(at: Position, from: From, page: Page, lags: bool, budget: usize) -> Verdict {
    let Some(top) = page.top else {
        // The backend keeps no log of it: nothing can be missing.
        return Verdict::Hand(Stretch {
            notice: None,
            publications: Vec::new(),
            to: at,
            is_all: true,
        });
    };
    let (start, notice) = match (from, page.lost) {
        (From::After(_), None) => (at, None),
        (From::After(_), Some(Lost::Trimmed)) if lags => return Verdict::ReadNewest,
        (From::Newest, _) => {
            let start = match page.publications.first().and_then(|first| first.place) {
                Some(first) => Position {
                    epoch: first.position.epoch,
                    offset: first.position.offset.saturating_sub(1),
                    tag: first.previous,
                },
                None => top,
            };
            if start.epoch != at.epoch || start.offset <= at.offset {
                return Verdict::ReadAgain;
            }
            let (from, to) = (at.offset + 1, start.offset);
            (start, Some(Notice::Lagged { from, to }))
        }
        (From::After(_) | From::Now, reason) => {
            return Verdict::Hand(Stretch {
                notice: Some(Notice::Reset {
                    reason: reason.unwrap_or(Lost::Fork),
                    snapshot: page.snapshot,
                }),
                publications: Vec::new(),
                to: top,
                is_all: true,
            });
        }
    };
    let mut publications = page.publications;
    let mut bytes = 0;
    let fitting = publications
        .iter()
        .take_while(|one| {
            let fits = bytes < budget;
            bytes += one.size();
            fits
        })
        .count();
    publications.truncate(fitting);
    let to = publications
        .last()
        .and_then(|last| last.place)
        .map_or(start, |place| place.position);
    Verdict::Hand(Stretch {
        notice,
        publications,
        is_all: to == top,
        to,
    })
}
