//! What somebody who joins a topic reads of its log.

use std::sync::Arc;

use tidegate_shared::broker::{BrokerError, From, Link, READ_LIMIT};
use tidegate_shared::namespace::TopicKind;
use tidegate_shared::position::{Position, Since};
use tidegate_shared::publication::{Publication, Snapshot};
use tidegate_shared::topic::{Reserved, Topic};

use super::Hub;
use super::ending::{ends, is_over};
use crate::dialect::{Failure, Roll};

/// Where a subscriber stands when it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    pub(crate) position: Option<Position>,
    /// Only if it came with a position.
    pub(crate) recovered: Option<bool>,
    pub(crate) snapshot: Option<Snapshot>,
    /// Only if it wants to know who is present.
    pub(crate) roll: Option<Roll>,
}

/// What a joiner has got from the log.
pub(super) struct Reading {
    pub(super) standing: Standing,
    /// What follows the position it came with.
    pub(super) publications: Vec<Arc<Publication>>,
    /// The position that the publications lead to.
    pub(super) top: Position,
    /// [`Feed::doubts`](super::feed::Feed::doubts) from before the first read.
    pub(super) doubts: u32,
}

impl Reading {
    /// Whether the topic's job is over for who gets this, and then `rest`.
    pub(super) fn ends_with(&self, topic: &Topic, rest: &[Arc<Publication>]) -> bool {
        match (rest, &*self.publications) {
            ([], []) => is_over(topic, self.standing.snapshot.as_ref()),
            ([], read) => ends(read),
            (rest, _) => ends(rest),
        }
    }
}

impl Hub {
    /// What somebody who joins needs, if that takes no reading: it wants to be where all others are, and there is
    /// nothing to be told but the position. Storms of clients who come back cost the backend nothing that way.
    pub(super) fn at_hand(&self, topic: &Topic, since: Option<Since>) -> Option<Reading> {
        let namespace = self.config().namespaces.of(topic);
        let has_snapshot =
            namespace.kind == TopicKind::State || matches!(topic.reserved(), Some(Reserved::Job(_)));
        // What has been lost with the connection is not known yet.
        if has_snapshot || *self.broker().link().borrow() != Link::Up {
            return None;
        }
        let mut shard = self.shard(topic).lock();
        let feed = &shard.entry(topic).feed;
        let (top, doubts) = (feed.live()?, feed.doubts());
        drop(shard);
        if since.is_some_and(|since| since != top.into()) {
            return None;
        }
        Some(Reading {
            standing: Standing {
                position: Some(top),
                recovered: since.map(|_| true),
                snapshot: None,
                roll: None,
            },
            publications: Vec::new(),
            top,
            doubts,
        })
    }

    /// Reads what somebody who joins needs: what follows `since`, or where the topic is now. `limit` is
    /// what its outbox takes.
    pub(super) async fn read(
        &self,
        topic: &Topic,
        since: Option<Since>,
        limit: usize,
    ) -> Result<Reading, Failure> {
        let doubts = self.shard(topic).lock().entry(topic).feed.doubts();
        let Some(since) = since else {
            return self.read_now(topic, None, doubts).await;
        };
        let page = self.broker().read(topic, From::After(since), READ_LIMIT).await?;
        let top = page.top.ok_or_else(|| without_log(topic))?;
        if page.lost.is_some() {
            return Ok(Reading {
                standing: Standing {
                    position: Some(top),
                    recovered: Some(false),
                    snapshot: page.snapshot,
                    roll: None,
                },
                publications: Vec::new(),
                top,
                doubts,
            });
        }
        let reading = Reading {
            doubts,
            top: page
                .publications
                .last()
                .and_then(|last| last.place)
                .map_or(top, |place| place.position),
            standing: Standing {
                position: Some(top),
                recovered: Some(true),
                snapshot: None,
                roll: None,
            },
            publications: page.publications,
        };
        self.complete(topic, reading, limit).await
    }

    /// Reads what has come after.
    pub(super) async fn read_on(
        &self,
        topic: &Topic,
        reading: Reading,
        limit: usize,
    ) -> Result<Reading, Failure> {
        if reading.standing.recovered == Some(true) {
            self.more(topic, reading, limit).await
        } else {
            self.read_now(topic, reading.standing.recovered, reading.doubts)
                .await
        }
    }

    /// Reads the rest of what a client missed, unless it is more than its outbox should be filled with.
    async fn complete(&self, topic: &Topic, mut reading: Reading, limit: usize) -> Result<Reading, Failure> {
        loop {
            let bytes: usize = reading.publications.iter().map(|one| one.size()).sum();
            if bytes > limit / 2 {
                return self.read_now(topic, Some(false), reading.doubts).await;
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

    async fn read_now(
        &self,
        topic: &Topic,
        recovered: Option<bool>,
        doubts: u32,
    ) -> Result<Reading, Failure> {
        let page = self.broker().read(topic, From::Now, 0).await?;
        let top = page.top.ok_or_else(|| without_log(topic))?;
        Ok(Reading {
            standing: Standing {
                position: Some(top),
                recovered,
                snapshot: page.snapshot,
                roll: None,
            },
            publications: Vec::new(),
            top,
            doubts,
        })
    }
}

fn without_log(topic: &Topic) -> Failure {
    BrokerError::Internal(format!(
        "topic {topic} has no log where its namespace says it has one"
    ))
    .into()
}
