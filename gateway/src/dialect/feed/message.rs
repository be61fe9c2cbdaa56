//! What somebody has published under the name of an event.

use tidegate_shared::feed::{CUTS, MESSAGE_LIMIT, cut};
use tidegate_shared::json::RawJson;

use super::write;
use crate::dialect::fields::{Fields, text};
use crate::dialect::json::Object;

/// What may be long in an event, and says the same when it is cut.
const LONG: [&str; 2] = ["message", "error"];

/// Writes the event; nothing if its data is no object. Data that makes a message too long for some clients has
/// its texts cut, where that is enough.
pub(super) fn event(name: &str, data: &RawJson, out: &mut Vec<u8>) {
    let Some(fields) = Fields::parse(data.as_bytes()) else {
        return;
    };
    let start = out.len();
    write(name, data, out);
    if out.len() - start <= MESSAGE_LIMIT {
        return;
    }
    for limit in CUTS {
        let shorter = shortened(&fields, limit);
        if shorter.size() < data.size() {
            out.truncate(start);
            write(name, &shorter, out);
        }
        if out.len() - start <= MESSAGE_LIMIT {
            return;
        }
    }
}

fn shortened(fields: &Fields<'_>, limit: usize) -> RawJson {
    let mut data = Vec::new();
    let mut object = Object::begin(&mut data);
    for (name, value) in fields.iter() {
        match text(value).filter(|_| LONG.contains(&name)) {
            Some(text) => object.text(name, &cut(&text, limit)),
            None => object
                .foreign_field(name)
                .extend_from_slice(value.get().as_bytes()),
        }
    }
    object.end();
    RawJson::trusted(data.into())
}
