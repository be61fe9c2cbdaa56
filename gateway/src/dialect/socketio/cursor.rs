//! Where a client stands in the rooms of a namespace, as a text that it keeps with every event and hands
//! back when it returns.
//!
//! `1`, then for each room a comma, its name (what is no letter or digit is escaped), a colon, and the
//! position, or nothing where the room has no log.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tidegate_shared::position::Position;

use super::record::{place, show};

/// Most rooms that a client can find again.
pub(super) const ROOMS: usize = 32;
/// Longest text that is read.
const LIMIT: usize = 64 * 1024;
/// Stands for more rooms than that.
const TOO_MANY: &str = "-";

pub(super) fn write<'a>(rooms: impl ExactSizeIterator<Item = (&'a str, Option<Position>)>) -> String {
    if rooms.len() > ROOMS {
        return TOO_MANY.to_owned();
    }
    let mut text = String::from("1");
    for (room, position) in rooms {
        text.push(',');
        text.extend(utf8_percent_encode(room, NON_ALPHANUMERIC));
        text.push(':');
        text.push_str(&position.map(show).unwrap_or_default());
    }
    text
}

/// The rooms and positions; `None` if the text is not of our making.
pub(super) fn read(text: &str) -> Option<Vec<(String, Option<Position>)>> {
    if text.len() > LIMIT {
        return None;
    }
    let mut parts = text.split(',');
    if parts.next() != Some("1") {
        return None;
    }
    let mut rooms: Vec<(String, Option<Position>)> = Vec::new();
    for part in parts {
        let (room, position) = part.split_once(':')?;
        let room = percent_decode_str(room).decode_utf8().ok()?.into_owned();
        let position = match position {
            "" => None,
            text => Some(place(text.as_bytes())?),
        };
        if rooms.len() == ROOMS || rooms.iter().any(|(one, _)| *one == room) {
            return None;
        }
        rooms.push((room, position));
    }
    Some(rooms)
}
