//! What players see.

use tidegate_shared::publication::{Body, Publication};

use crate::dialect::json::Object;
use crate::dialect::{Push, Reply};

/// What everybody in a room is told is wrapped; of everything else the event is the message's type.
const UPDATES: [&str; 2] = ["update", "world_update"];

/// The answer of a method is a message, or nothing.
pub(super) fn reply(reply: &Reply, out: &mut Vec<u8>) {
    match reply {
        Reply::Result { data } if data.as_str() != "null" => out.extend_from_slice(data.as_bytes()),
        Reply::Failed(failure) => error(&failure.message, out),
        _ => {}
    }
}

pub(super) fn push(push: &Push<'_>, out: &mut Vec<u8>) {
    match push {
        Push::Lagged { .. } | Push::Reset { .. } => {
            typed("system", "Some of what happened here did not reach you.", out);
        }
        Push::GoAway(_) => typed("system", "This server goes down. Come back in a moment.", out),
        Push::Failed { failure, .. } => error(&failure.message, out),
        Push::Welcome(_) => {}
    }
}

pub(super) fn publication(publication: &Publication, out: &mut Vec<u8>) {
    let Body::Message { data, event } = &publication.body else {
        return;
    };
    let event = event.as_ref().map_or("update", |event| event.as_str());
    let fields = data
        .as_str()
        .strip_prefix('{')
        .filter(|_| !UPDATES.contains(&event));
    match fields.map(str::trim_start) {
        Some("}") => Object::typed(out, event).end(),
        Some(fields) => {
            // What is left of `data` ends the object.
            let _ = Object::typed(out, event);
            out.push(b',');
            out.extend_from_slice(fields.as_bytes());
        }
        None => {
            let mut object = Object::typed(out, "update");
            object.raw("data", data);
            object.end();
        }
    }
}

pub(super) fn error(message: &str, out: &mut Vec<u8>) {
    typed("error", message, out);
}

fn typed(kind: &str, message: &str, out: &mut Vec<u8>) {
    let mut object = Object::typed(out, kind);
    object.text("message", message);
    object.end();
}
