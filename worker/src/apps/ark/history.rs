//! What was told while somebody was away: the same events, from the logs that they are kept in.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use tidegate_shared::feed;
use tidegate_shared::iso;
use tidegate_shared::job::JobRecord;
use tidegate_shared::json::RawJson;
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::topic::Topic;

use super::error::ArkError;
use super::places::Places;
use crate::topics::Topics;

/// Most events of one answer.
pub(super) const LIMIT: usize = 1_000;

#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// When it was told, by the backend's clock.
    time: String,
    event: String,
    data: RawJson,
}

#[derive(Debug, Serialize)]
pub(super) struct History {
    /// Oldest first.
    events: Vec<Told>,
    /// Whether nothing is missing between `since` and the first of them.
    complete: bool,
    /// For `since` of the next question.
    next: String,
}

/// A line that an instance has written.
#[derive(Debug, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(skip_serializing)]
    instance_id: String,
    timestamp: String,
    level: String,
    message: String,
}

/// All of them, or those after `since`: what an answer before had as `next`, or a time as events have it.
pub(super) async fn events(
    places: &Places,
    topics: &Topics,
    since: Option<&str>,
    limit: usize,
) -> Result<History, ArkError> {
    let logs = [&places.jobs, &places.events, &places.lines];
    let marks = since.and_then(Marks::parse);
    let mut found: Vec<(u64, Told)> = Vec::new();
    let (mut complete, mut next) = (true, Vec::new());
    for (number, topic) in logs.into_iter().enumerate() {
        let log = topics.newest(topic, LIMIT).await?;
        let mark = marks.as_ref().and_then(|marks| marks.0.get(number));
        complete &= match (mark, since) {
            (Some(mark), _) => mark.leads_to(&log),
            (None, Some(time)) => leads_to(time, &log),
            (None, None) => log.first().is_none_or(|first| offset(first) == 1),
        };
        next.push(Mark::of(topic, &log, mark));
        let fresh = log.iter().filter(|one| match (mark, since) {
            (Some(mark), _) => mark.is_before(one),
            (None, Some(time)) => iso::time(one.time_ms).as_str() > time,
            (None, None) => true,
        });
        found.extend(fresh.filter_map(|one| Some((one.time_ms, told(one)?))));
    }
    found.sort_by_key(|(time, _)| *time);
    let limit = limit.clamp(1, LIMIT);
    if found.len() > limit {
        found.drain(..found.len() - limit);
        complete = false;
    }
    Ok(History {
        events: found.into_iter().map(|(_, told)| told).collect(),
        complete,
        next: Marks(next).spelled(),
    })
}

/// The lines of an instance, newest first.
pub(super) async fn lines(
    places: &Places,
    topics: &Topics,
    instance: &str,
    since: Option<&str>,
    level: Option<&str>,
    limit: usize,
) -> Result<Vec<Written>, ArkError> {
    let log = topics.newest(&places.lines, LIMIT).await?;
    let read = log.iter().rev().filter_map(|one| match &one.body {
        Body::Message { data, .. } => serde_json::from_str::<Written>(data.as_str()).ok(),
        _ => None,
    });
    let wanted = read.filter(|line| {
        line.instance_id == instance
            && since.is_none_or(|since| line.timestamp.as_str() >= since)
            && level.is_none_or(|level| line.level.eq_ignore_ascii_case(level))
    });
    Ok(wanted.take(limit.clamp(1, LIMIT)).collect())
}

fn told(one: &Publication) -> Option<Told> {
    let (event, data) = match &one.body {
        Body::Job { record } => {
            let event = feed::of_job(&JobRecord::from_json(record)?, one.time_ms);
            (event.name.to_owned(), event.data)
        }
        Body::Message { data, event } => (event.as_ref()?.as_str().to_owned(), data.clone()),
        _ => return None,
    };
    // What is no object is told to nobody live either.
    serde_json::from_str::<std::collections::BTreeMap<String, Box<RawValue>>>(data.as_str()).ok()?;
    Some(Told {
        time: iso::time(one.time_ms),
        event,
        data,
    })
}

fn offset(one: &Publication) -> u64 {
    one.place.map_or(0, |place| place.position.offset)
}

/// Whether the log reaches back to a time.
fn leads_to(time: &str, log: &[Arc<Publication>]) -> bool {
    let first = log.first();
    first.is_none_or(|first| offset(first) == 1 || iso::time(first.time_ms).as_str() <= time)
}

/// How far each of the logs has been read: `epoch-offset`, joined by `_`.
struct Marks(Vec<Mark>);

struct Mark {
    epoch: String,
    offset: u64,
}

impl Marks {
    fn parse(text: &str) -> Option<Self> {
        let marks: Option<Vec<Mark>> = text.split('_').map(Mark::parse).collect();
        marks.map(Self).filter(|marks| marks.0.len() == 3)
    }

    fn spelled(&self) -> String {
        let parts = self
            .0
            .iter()
            .map(|mark| format!("{}-{}", mark.epoch, mark.offset));
        parts.collect::<Vec<_>>().join("_")
    }
}

impl Mark {
    fn parse(text: &str) -> Option<Self> {
        let (epoch, offset) = text.rsplit_once('-')?;
        Some(Self {
            epoch: epoch.to_owned(),
            offset: offset.parse().ok()?,
        })
    }

    /// The end of a log; an empty one has been read as far as it was before.
    fn of(_topic: &Topic, log: &[Arc<Publication>], before: Option<&Self>) -> Self {
        let last = log.last().and_then(|one| one.place);
        match (last, before) {
            (Some(place), _) => Self {
                epoch: place.position.epoch.as_str().to_owned(),
                offset: place.position.offset,
            },
            (None, Some(mark)) => Self {
                epoch: mark.epoch.clone(),
                offset: mark.offset,
            },
            (None, None) => Self {
                epoch: String::new(),
                offset: 0,
            },
        }
    }

    fn is_before(&self, one: &Publication) -> bool {
        one.place.is_none_or(|place| {
            place.position.epoch.as_str() != self.epoch || place.position.offset > self.offset
        })
    }

    /// Whether nothing is missing between here and the beginning of the log.
    fn leads_to(&self, log: &[Arc<Publication>]) -> bool {
        let Some(place) = log.first().and_then(|first| first.place) else {
            // It ended by its time to live: whether something came in between, nobody knows any more.
            return true;
        };
        let same = place.position.epoch.as_str() == self.epoch;
        let begin = if same { self.offset + 1 } else { 1 };
        place.position.offset <= begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_their_way() {
        let text = "abc-7_-0_d-e-12";
        let marks = Marks::parse(text).expect("marks");
        assert_eq!(marks.spelled(), text);
        assert_eq!((marks.0[2].epoch.as_str(), marks.0[2].offset), ("d-e", 12));
        for rubbish in ["", "2024-01-15T10:30:00.000Z", "a-1", "a-1_b-2", "a-1_b-2_c-x"] {
            assert!(Marks::parse(rubbish).is_none(), "{rubbish}");
        }
    }
}
