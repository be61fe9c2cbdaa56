//! The regular look whether something was missed that nothing told of: where the logs of all attached
//! topics end, compared with where their subscribers are. It only finds whom to suspect; topics that
//! are level are not read.

use std::time::Duration;

use tidegate_shared::position::{Offset, Position};
use tidegate_shared::topic::Topic;
use tokio_util::sync::CancellationToken;

use super::Hub;

/// How often, give or take a fifth, so that nodes don't look all at once.
const INTERVAL: Duration = Duration::from_secs(30);
const JITTER: f64 = 0.2;
/// What the log has and the subscribers do not may be on its way: for so long.
const GRACE: Duration = Duration::from_secs(1);
/// Topics asked for at once.
const BATCH: usize = 1_000;

/// Where a topic's subscribers stand, compared with its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Level,
    /// The log has more.
    Behind,
    /// The log does not have what they were handed.
    Astray,
}

/// How far the subscribers of a topic are.
#[derive(Debug, Clone, Copy)]
struct Handed {
    at: Position,
    /// The last offset that any of them has: some may be ahead of the others.
    furthest: Offset,
}

impl Hub {
    pub(super) async fn watch_tops(self, stop: CancellationToken) {
        loop {
            let jitter = 1.0 - JITTER + 2.0 * JITTER * rand::random::<f64>();
            let pause = tokio::time::sleep(INTERVAL.mul_f64(jitter));
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
            let behind = self.compare_tops().await;
            if behind.is_empty() {
                continue;
            }
            if stop
                .run_until_cancelled(tokio::time::sleep(GRACE))
                .await
                .is_none()
            {
                return;
            }
            self.suspect_behind(behind);
        }
    }

    /// Suspects the topics whose log is not what their subscribers saw. Gives those whose log had more,
    /// with its top.
    pub(super) async fn compare_tops(&self) -> Vec<(Topic, Position)> {
        let (topics, handed): (Vec<Topic>, Vec<Handed>) = self.handed().into_iter().unzip();
        let mut behind = Vec::new();
        for (topics, handed) in topics.chunks(BATCH).zip(handed.chunks(BATCH)) {
            let tops = match self.broker().tops(topics).await {
                Ok(tops) => tops,
                Err(error) => {
                    // When it is reached again everything is looked at.
                    tracing::debug!(%error, "the logs' tops cannot be read");
                    return behind;
                }
            };
            for ((topic, before), top) in topics.iter().zip(handed).zip(tops) {
                let Some(now) = self.position(topic) else { continue };
                match compare(before, &now, top.as_ref()) {
                    Standing::Level => {}
                    Standing::Behind => behind.extend(top.map(|top| (topic.clone(), top))),
                    Standing::Astray => self.suspect(topic),
                }
            }
        }
        behind
    }

    /// Suspects those that have not come to the top they were behind.
    pub(super) fn suspect_behind(&self, behind: Vec<(Topic, Position)>) {
        for (topic, top) in behind {
            let is_there = |now: Position| now.epoch != top.epoch || now.offset >= top.offset;
            if self.position(&topic).is_some_and(|now| !is_there(now)) {
                self.suspect(&topic);
            }
        }
    }

    /// What the subscribers of each topic with a log have, unless that is being repaired.
    fn handed(&self) -> Vec<(Topic, Handed)> {
        let of_shard = |shard: &parking_lot::Mutex<super::shard::Shard>| {
            let shard = shard.lock();
            let live = shard.topics.iter().filter_map(|(topic, entry)| {
                let at = entry.feed.live()?;
                let furthest = entry.live.furthest().unwrap_or(at.offset);
                Some((topic.clone(), Handed { at, furthest }))
            });
            live.collect::<Vec<_>>()
        };
        self.shards().iter().flat_map(of_shard).collect()
    }

    fn position(&self, topic: &Topic) -> Option<Position> {
        self.shard(topic).lock().topics.get(topic)?.feed.live()
    }
}

/// `before` and `now`: where the subscribers were before and after the log's `top` was read.
fn compare(before: &Handed, now: &Position, top: Option<&Position>) -> Standing {
    let Some(top) = top else { return Standing::Astray };
    let Handed { at: before, furthest } = before;
    if top.epoch != now.epoch {
        // Or they have come to another epoch meanwhile.
        return if before.epoch == now.epoch {
            Standing::Astray
        } else {
            Standing::Level
        };
    }
    let same_offset = |at: &Position| at.epoch == top.epoch && at.offset == top.offset;
    if [before, now]
        .iter()
        .any(|at| same_offset(at) && at.tag != top.tag)
    {
        Standing::Astray
    } else if top.offset > now.offset {
        Standing::Behind
    } else if before.epoch == top.epoch && top.offset < *furthest {
        Standing::Astray
    } else {
        Standing::Level
    }
}

#[cfg(test)]
mod tests {
    use tidegate_shared::position::{Epoch, Tag};

    use super::*;

    fn compare(before: &Position, now: &Position, top: Option<&Position>) -> Standing {
        let handed = Handed {
            at: *before,
            furthest: before.offset,
        };
        super::compare(&handed, now, top)
    }

    #[test]
    fn who_is_ahead_of_the_others_and_of_the_log_is_astray() {
        let three = at("e", 3, "a");
        let handed = Handed {
            at: three,
            furthest: 4,
        };
        assert_eq!(super::compare(&handed, &three, Some(&three)), Standing::Astray);
        let four = at("e", 4, "b");
        assert_eq!(super::compare(&handed, &three, Some(&four)), Standing::Behind);
    }

    fn at(epoch: &str, offset: u64, tag: &str) -> Position {
        Position {
            epoch: Epoch::from_wire(&epoch.repeat(10)),
            offset,
            tag: Tag::from_wire(&tag.repeat(6)),
        }
    }

    #[test]
    fn who_is_where_the_log_is_or_has_heard_more_since_is_level() {
        let (three, five) = (at("e", 3, "a"), at("e", 5, "b"));
        assert_eq!(compare(&three, &three, Some(&three)), Standing::Level);
        assert_eq!(compare(&three, &five, Some(&three)), Standing::Level);
        assert_eq!(compare(&three, &five, Some(&at("e", 4, "c"))), Standing::Level);
        assert_eq!(compare(&three, &at("f", 1, "x"), Some(&three)), Standing::Level);
    }

    #[test]
    fn who_is_not_as_far_as_the_log_is_behind() {
        let (three, five) = (at("e", 3, "a"), at("e", 5, "b"));
        assert_eq!(compare(&three, &three, Some(&five)), Standing::Behind);
        assert_eq!(compare(&three, &at("e", 4, "c"), Some(&five)), Standing::Behind);
    }

    #[test]
    fn who_has_what_the_log_does_not_have_is_astray() {
        let (three, five) = (at("e", 3, "a"), at("e", 5, "b"));
        assert_eq!(
            compare(&five, &five, Some(&three)),
            Standing::Astray,
            "it was lost"
        );
        assert_eq!(
            compare(&five, &five, Some(&at("e", 5, "x"))),
            Standing::Astray,
            "a fork"
        );
        assert_eq!(
            compare(&three, &five, Some(&at("e", 3, "x"))),
            Standing::Astray,
            "a fork"
        );
        assert_eq!(
            compare(&five, &five, Some(&at("f", 9, "x"))),
            Standing::Astray,
            "an epoch"
        );
        assert_eq!(compare(&five, &five, None), Standing::Astray, "all is lost");
    }
}
