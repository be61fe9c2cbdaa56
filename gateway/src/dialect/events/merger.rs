//! Makes the cursors of shared blocks name every topic of one stream.

use bytes::{Bytes, BytesMut};

use super::cursor::{Cursor, Key, read_part};
use super::{END, ID};

/// What one stream with several topics has been sent.
#[derive(Debug)]
pub struct Merger {
    cursor: Cursor,
    /// The part of the other topics, for the topic whose blocks came last.
    others: Vec<u8>,
    topic: Option<Key>,
}

impl Merger {
    /// `cursor` is where the client stands.
    pub fn new(cursor: Cursor) -> Self {
        Self {
            cursor,
            others: Vec::new(),
            topic: None,
        }
    }

    /// The same blocks with cursors over all topics.
    pub fn merge(&mut self, blocks: &Bytes) -> Bytes {
        let mut out = BytesMut::with_capacity(blocks.len() + 64);
        let mut rest: &[u8] = blocks;
        while !rest.is_empty() {
            let end = find(rest, END).map_or(rest.len(), |at| at + END.len());
            let (block, after) = rest.split_at(end);
            rest = after;
            self.merge_one(block, &mut out);
        }
        out.freeze()
    }

    fn merge_one(&mut self, block: &[u8], out: &mut BytesMut) {
        let place = block
            .strip_prefix(ID)
            .and_then(|rest| rest.strip_prefix(b"."))
            .and_then(|rest| {
                let line = rest.split(|byte| *byte == b'\n').next()?;
                read_part(line)
            });
        let Some((key, position)) = place else {
            out.extend_from_slice(block);
            return;
        };
        if self.topic != Some(key) {
            self.topic = Some(key);
            self.others.clear();
            self.cursor.append_others(key, &mut self.others);
        }
        self.cursor.set(key, position);
        out.extend_from_slice(ID);
        out.extend_from_slice(&self.others);
        out.extend_from_slice(&block[ID.len()..]);
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
