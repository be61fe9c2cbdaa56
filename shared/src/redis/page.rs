//! What the script `read` answers, made into a page.

use std::sync::Arc;

use fred::types::Value;

use super::commands::CallError;
use super::entry;
use crate::broker::{From, Lost, Page};
use crate::json::RawJson;
use crate::position::{Epoch, Position, Tag};
use crate::publication::{Publication, Snapshot};
use crate::topic::Topic;

/// A page, and whether something in the log was not written by Tidegate.
pub(super) struct Read {
    pub(super) page: Page,
    pub(super) rubbish: bool,
}

/// `None` if the script found no such job.
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
    let snapshot = snapshot
        .into_bytes()
        .filter(|record| !record.is_empty())
        .map(|record| Snapshot::Job(RawJson::trusted(record)));
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
        page: Page {
            top: Some(top),
            publications,
            lost,
            snapshot,
        },
    }))
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
