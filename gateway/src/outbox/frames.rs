//! One or several WebSocket frames in one piece of memory, encoded once and shared by everyone who gets
//! them.

use bytes::{Bytes, BytesMut};

use crate::dialect::{Encoding, Format};
use crate::transport::ws::frame;

/// What is put into outboxes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    bytes: Bytes,
    messages: u32,
    /// When the oldest publication in it was published; 0 if there is none.
    published_ms: u64,
}

impl Frames {
    /// A control frame: no message.
    pub(crate) fn control(bytes: Bytes) -> Self {
        Self {
            bytes,
            messages: 0,
            published_ms: 0,
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.into()
    }

    /// Milliseconds since 1970, by the backend's clock.
    pub(crate) fn published_ms(&self) -> Option<u64> {
        (self.published_ms > 0).then_some(self.published_ms)
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Collects messages of one format.
#[derive(Debug)]
pub(crate) struct FramesBuilder {
    format: Format,
    bytes: BytesMut,
    scratch: Vec<u8>,
    messages: u32,
    published_ms: u64,
}

impl FramesBuilder {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            bytes: BytesMut::new(),
            scratch: Vec::new(),
            messages: 0,
            published_ms: 0,
        }
    }

    /// Adds the message that `write` appends to its argument; nothing if it appends nothing.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.scratch.clear();
        write(&mut self.scratch);
        if !self.scratch.is_empty() {
            match self.format.encoding() {
                Encoding::Text => frame::append_text(&mut self.bytes, &self.scratch),
                Encoding::Plain => self.bytes.extend_from_slice(&self.scratch),
            }
            self.messages += 1;
        }
    }

    /// The same for a publication of this time.
    pub(crate) fn add_published(&mut self, time_ms: u64, write: impl FnOnce(&mut Vec<u8>)) {
        if self.published_ms == 0 {
            self.published_ms = time_ms;
        }
        self.add(write);
    }

    /// `None` if nothing was added.
    pub(crate) fn finish(self) -> Option<Frames> {
        (self.messages > 0).then(|| Frames {
            bytes: self.bytes.freeze(),
            messages: self.messages,
            published_ms: self.published_ms,
        })
    }
}
