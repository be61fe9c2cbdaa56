//! Where a client stands in every topic of its stream, as a short text that it hands back unread.
//!
//! `1`, then parts that each begin with a dot: base64url of places, of which a later one counts for the
//! same topic. Names of topics are not in it, only a hash of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidegate_shared::position::{Epoch, Position, Tag};
use tidegate_shared::topic::Topic;

/// Stands for a topic. If two of one stream were alike, their epochs would still differ.
pub(super) type Key = [u8; 6];

const EPOCH: usize = 10;
const TAG: usize = 6;
/// Without the offset, which takes one to ten bytes.
const FIXED: usize = size_of::<Key>() + EPOCH + TAG;

/// A client's positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    places: Vec<(Key, Position)>,
}

impl Cursor {
    /// Longest text that is read. What is written for [`Cursor::TOPICS`] topics is shorter, and proxies
    /// take header lines of this length.
    pub const LIMIT: usize = 8 * 1024;
    /// Most topics whose positions fit.
    pub const TOPICS: usize = 128;

    /// `None` if it is not of our making.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::LIMIT {
            return None;
        }
        let mut parts = text.split('.');
        if parts.next() != Some("1") {
            return None;
        }
        let mut cursor = Self::default();
        for part in parts {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (key, position) = read(&mut rest)?;
                cursor.set(key, position);
            }
        }
        Some(cursor)
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn position(&self, topic: &Topic) -> Option<Position> {
        let key = key(topic);
        let found = self.places.iter().find(|(one, _)| *one == key);
        found.map(|(_, position)| *position)
    }

    /// Forgets all topics but these.
    pub fn retain<'a>(&mut self, topics: impl IntoIterator<Item = &'a Topic>) {
        let keys: Vec<Key> = topics.into_iter().map(key).collect();
        self.places.retain(|(key, _)| keys.contains(key));
    }

    pub(super) fn set(&mut self, key: Key, position: Position) {
        match self.places.iter_mut().find(|(one, _)| *one == key) {
            Some((_, old)) => *old = position,
            None => self.places.push((key, position)),
        }
    }

    /// One part with the places of all topics but one; nothing if there are none.
    pub(super) fn append_others(&self, than: Key, out: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        for (key, position) in self.places.iter().filter(|(key, _)| *key != than) {
            write(*key, position, &mut bytes);
        }
        if !bytes.is_empty() {
            append_part(&bytes, out);
        }
    }
}

/// One part with one place.
pub(super) fn append(topic: &Topic, position: &Position, out: &mut Vec<u8>) {
    let mut bytes = Vec::with_capacity(FIXED + 10);
    write(key(topic), position, &mut bytes);
    append_part(&bytes, out);
}

/// The place in a part that [`append`] wrote, without its dot.
pub(super) fn read_part(part: &[u8]) -> Option<(Key, Position)> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    read(&mut bytes.as_slice())
}

fn append_part(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'.');
    out.extend_from_slice(URL_SAFE_NO_PAD.encode(bytes).as_bytes());
}

/// FNV-1a, its upper bits folded in.
fn key(topic: &Topic) -> Key {
    let hash = topic
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let bytes = (hash ^ (hash >> 48)).to_le_bytes();
    std::array::from_fn(|index| bytes[index])
}

fn write(key: Key, position: &Position, out: &mut Vec<u8>) {
    out.extend_from_slice(&key);
    write_token::<EPOCH>(position.epoch.as_str(), out);
    write_token::<TAG>(position.tag.as_str(), out);
    let mut rest = position.offset;
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn read(rest: &mut &[u8]) -> Option<(Key, Position)> {
    let (fixed, mut tail) = rest.split_at_checked(FIXED)?;
    let (topic, tokens) = fixed.split_at(size_of::<Key>());
    let (epoch, tag) = tokens.split_at(EPOCH);
    let mut offset = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = tail.split_first()?;
        tail = after;
        let bits = u64::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return None;
        }
        offset |= bits << shift;
        if byte & 0x80 == 0 {
            *rest = tail;
            let position = Position {
                epoch: Epoch::from_wire(token(epoch)?),
                offset,
                tag: Tag::from_wire(token(tag)?),
            };
            return Some((topic.try_into().ok()?, position));
        }
    }
    None
}

fn write_token<const N: usize>(text: &str, out: &mut Vec<u8>) {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    out.extend_from_slice(&bytes);
}

fn token(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Some("");
    }
    std::str::from_utf8(bytes).ok()
}
