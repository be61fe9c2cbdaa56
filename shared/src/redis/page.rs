//! What the scripts `read` and `view` are asked and answer.

use std::sync::Arc;

use fred::types::Value;

use super::broker::text as bytes;
use super::commands::CallError;
use super::entry;
use crate::broker::{From, Lost, Page, READ_LIMIT};
use crate::json::RawJson;
use crate::name::StateKey;
use crate::position::{Epoch, Position, Tag};
use crate::publication::{Publication, Snapshot};
use crate::topic::Topic;

/// A page, and whether something in the log was not written by Tidegate.
pub(super) struct Read {
    pub(super) page: Page,
    pub(super) rubbish: bool,
    /// The snapshot is a map too large to be in the answer.
    pub(super) large_map: bool,
}

/// The arguments that say which part: mode, limit, size of the log, then epoch, offset and tag of the
/// position.
pub(super) fn arguments(from: From, limit: usize, size: u32) -> [Value; 6] {
    let (mode, epoch, offset, tag) = match from {
        From::Now => ("now", String::new(), 0, String::new()),
        From::Newest => ("newest", String::new(), 0, String::new()),
        From::After(since) => (
            "after",
            since.epoch.to_string(),
            since.offset,
            since.tag.map_or_else(|| "*".to_owned(), |tag| tag.to_string()),
        ),
    };
    let limit = i64::try_from(limit.min(READ_LIMIT)).unwrap_or_default();
    [
        bytes(mode),
        Value::Integer(limit),
        Value::Integer(size.into()),
        bytes(&epoch),
        bytes(&offset.to_string()),
        bytes(&tag),
    ]
}

/// `None` if the script found no such job, or has to be run again.
pub(super) fn parse(topic: &Topic, from: From, answer: Value) -> Result<Option<Read>, CallError> {
    if answer.is_null() {
        return Ok(None);
    }
    let parts = answer.into_array();
    let Ok([epoch, top, tag, lost, snapshot, entries]) = <[Value; 6]>::try_from(parts) else {
        return Err(CallError::unexpected("a page of another shape"));
    };
    let top = Position {
        epoch: Epoch::from_wire(&text(&epoch)),
        offset: text(&top)
            .parse()
            .map_err(|_| CallError::unexpected("an offset that is no number"))?,
        tag: Tag::from_wire(&text(&tag)),
    };
    let lost = match &*text(&lost) {
        "" => None,
        "epoch" => Some(Lost::Epoch),
        "fork" => Some(Lost::Fork),
        _ => Some(Lost::Trimmed),
    };
    let large_map = snapshot.is_integer();
    let snapshot = if large_map {
        None
    } else if snapshot.is_array() || snapshot.is_map() {
        let mut map: Vec<_> = pairs(snapshot).collect();
        map.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Some(Snapshot::State(map))
    } else {
        let record = snapshot.into_bytes().filter(|record| !record.is_empty());
        record.and_then(|entry| entry::record(&entry)).map(Snapshot::Job)
    };
    let entries = entries.into_array();
    let found = entries.len();
    let mut publications: Vec<Arc<Publication>> = Vec::with_capacity(found);
    match from {
        From::Now => {}
        From::After(since) => {
            // In this order: the range must not be asked for what lies beyond the largest offset.
            for (entry, next) in entries.into_iter().zip(since.offset.saturating_add(1)..) {
                let Some(publication) = placed(topic, entry, &top.epoch, next) else {
                    break;
                };
                publications.push(publication);
            }
        }
        From::Newest => {
            let mut next = top.offset;
            for entry in entries.into_iter().rev() {
                let Some(publication) = placed(topic, entry, &top.epoch, next) else {
                    break;
                };
                publications.push(publication);
                next -= 1;
            }
            publications.reverse();
        }
    }
    Ok(Some(Read {
        rubbish: publications.len() < found,
        large_map,
        page: Page {
            top: Some(top),
            publications,
            lost,
            snapshot,
        },
    }))
}

/// Keys and values as Redis lists them. What others wrote there is left out.
pub(super) fn pairs(list: Value) -> impl Iterator<Item = (StateKey, RawJson)> {
    let mut list = list.into_array().into_iter();
    std::iter::from_fn(move || Some((list.next()?, list.next()?))).filter_map(|(key, value)| {
        let key = StateKey::parse(&key.as_string()?).ok()?;
        Some((key, RawJson::trusted(value.into_bytes()?)))
    })
}

/// An entry that is the publication which belongs at `offset`.
fn placed(topic: &Topic, entry: Value, epoch: &Epoch, offset: u64) -> Option<Arc<Publication>> {
    let publication = entry::decode(topic, &entry.into_bytes()?)?;
    let position = publication.place.as_ref()?.position;
    (position.epoch == *epoch && position.offset == offset).then(|| Arc::new(publication))
}

fn text(value: &Value) -> String {
    value.as_string().unwrap_or_default()
}

/// `epoch offset tag`, as the scripts write it.
pub(super) fn position(text: &str) -> Result<Position, CallError> {
    // A topic's first tag is empty, so the last part may be missing.
    let mut parts = text.split(' ');
    let (Some(epoch), Some(offset), tag, None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(CallError::unexpected("a position of another shape"));
    };
    Ok(Position {
        epoch: Epoch::from_wire(epoch),
        offset: offset
            .parse()
            .map_err(|_| CallError::unexpected("an offset that is no number"))?,
        tag: Tag::from_wire(tag.unwrap_or_default()),
    })
}
