//! What clients of the map are told.

use tidegate_shared::json::RawJson;
use tidegate_shared::name::StateKey;
use tidegate_shared::publication::{Body, Publication, Snapshot};
use tidegate_shared::topic::Topic;

use super::{Part, key};
use crate::dialect::Failure;
use crate::dialect::fields::Fields;
use crate::dialect::json::Object;

/// All there is. Nothing, unless `even_empty`, where there is nothing.
pub(super) fn sync(topic: &Topic, snapshot: Option<&Snapshot>, even_empty: bool, out: &mut Vec<u8>) {
    let entries = match snapshot {
        Some(Snapshot::State(entries)) => entries.as_slice(),
        _ => &[],
    };
    if entries.is_empty() && !even_empty {
        return;
    }
    let (kind, name) = match Part::of(topic) {
        Some(Part::Markers) => ("markers_sync", "markers"),
        Some(Part::Positions) => ("positions_sync", "positions"),
        _ => return,
    };
    let mut object = Object::typed(out, kind);
    let list = object.field(name);
    list.push(b'[');
    let first = list.len();
    for (key, value) in entries {
        let start = list.len();
        if start > first {
            list.push(b',');
        }
        let written = if kind == "markers_sync" {
            marker(key, value, list)
        } else {
            player(value, list)
        };
        if written.is_none() {
            list.truncate(start);
        }
    }
    list.push(b']');
    object.end();
}

pub(super) fn publication(publication: &Publication, out: &mut Vec<u8>) {
    let start = out.len();
    let written = match (Part::of(&publication.topic), &publication.body) {
        (Some(Part::Markers), Body::Set { key, value }) => {
            let mut object = Object::typed(out, "marker_added");
            let written = marker(key, value, object.field("marker"));
            object.end();
            written
        }
        (Some(Part::Markers), Body::Remove { key, .. }) => {
            let mut object = Object::typed(out, "marker_removed");
            object.text("marker_id", &key::to_id(key));
            object.end();
            Some(())
        }
        (Some(Part::Positions), Body::Set { value, .. }) => position(value, out),
        (Some(Part::Chat), Body::Message { data, .. }) => chat(data, out),
        _ => None,
    };
    if written.is_none() {
        out.truncate(start);
    }
}

pub(super) fn error(failure: &Failure, out: &mut Vec<u8>) {
    let mut object = Object::typed(out, "error");
    object.text("message", &failure.message);
    object.end();
}

/// A marker that another kind of client has set may lack its id. What is no object is left out.
fn marker(key: &StateKey, value: &RawJson, out: &mut Vec<u8>) -> Option<()> {
    let fields = Fields::parse(value.as_bytes())?;
    if fields.get("id").is_some() {
        out.extend_from_slice(value.as_bytes());
        return Some(());
    }
    let mut object = Object::begin(out);
    fields.write_without("id", &mut object);
    object.text("id", &key::to_id(key));
    object.end();
    Some(())
}

/// Only the player, where the whole message was kept.
fn player(value: &RawJson, out: &mut Vec<u8>) -> Option<()> {
    let fields = Fields::parse(value.as_bytes())?;
    let player = whole(&fields).and_then(|fields| fields.get("player"));
    let text = player.map_or(value.as_str(), |player| player.get());
    out.extend_from_slice(text.as_bytes());
    Some(())
}

fn position(value: &RawJson, out: &mut Vec<u8>) -> Option<()> {
    let fields = Fields::parse(value.as_bytes())?;
    if whole(&fields).is_some() {
        out.extend_from_slice(value.as_bytes());
        return Some(());
    }
    let mut object = Object::typed(out, "position_update");
    object.raw("player", value);
    object.end();
    Some(())
}

/// As its sender said it; what others say there must look like it.
fn chat(data: &RawJson, out: &mut Vec<u8>) -> Option<()> {
    let fields = Fields::parse(data.as_bytes())?;
    fields.text("type").filter(|kind| kind == "chat_message")?;
    out.extend_from_slice(data.as_bytes());
    Some(())
}

/// Whether a position was kept with what stood beside the player.
fn whole<'f, 'a>(fields: &'f Fields<'a>) -> Option<&'f Fields<'a>> {
    fields.text("type").filter(|kind| kind == "position_update")?;
    Fields::of(fields.get("player")?)?;
    Some(fields)
}
