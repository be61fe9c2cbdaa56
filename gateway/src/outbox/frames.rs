//! One or several WebSocket frames in one piece of memory, encoded once and shared by everyone who gets
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::TraceContext;

use crate::dialect::{Compression, Encoding, Format, message_pack};
use crate::transport::ws::Window;
use crate::transport::ws::frame::{self, Kind};

/// What is put into outboxes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    bytes: Bytes,
    messages: u32,
    /// When the oldest publication in it was published; 0 if there is none.
    published_ms: u64,
    origin: Origin,
    /// Of the first publication in it that is traced.
    traced: Option<Arc<Traced>>,
    /// What it counts in an outbox, if not the size of the frames.
    weight: Option<usize>,
    /// Its beginning has been written.
    begun: bool,
}

/// A trace that one of many receivers tells the end of.
#[derive(Debug)]
pub(crate) struct Traced {
    context: TraceContext,
    told: AtomicBool,
}

impl Traced {
    fn new(context: TraceContext) -> Self {
        Self {
            context,
            told: AtomicBool::new(false),
        }
    }

    /// For the first who asks.
    pub(crate) fn take(&self) -> Option<TraceContext> {
        (!self.told.swap(true, Ordering::Relaxed)).then_some(self.context)
    }
}

/// What frames were made of, where an outbox may have to make something else of it.
#[derive(Debug, Clone, Default)]
pub(crate) enum Origin {
    /// They are sent as they are.
    #[default]
    Any,
    /// Publications of one topic of which a slow client needs the newest only.
    Latest(Arc<[Arc<Publication>]>),
    /// What the subscribers of such a topic are told.
    Notice { topic: Topic, resets: bool },
}

impl Frames {
    /// A control frame: no message.
    pub(crate) fn control(bytes: Bytes) -> Self {
        Self {
            bytes,
            messages: 0,
            published_ms: 0,
            origin: Origin::Any,
            traced: None,
            weight: None,
            begun: false,
        }
    }

    pub(crate) fn of(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn origin_mut(&mut self) -> &mut Origin {
        &mut self.origin
    }

    /// What it counts while it waits.
    pub(crate) fn size(&self) -> usize {
        self.weight.unwrap_or(self.bytes.len())
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.into()
    }

    /// Milliseconds since 1970, by the backend's clock.
    pub(crate) fn published_ms(&self) -> Option<u64> {
        (self.published_ms > 0).then_some(self.published_ms)
    }

    pub(crate) fn traced(&self) -> Option<&Arc<Traced>> {
        self.traced.as_ref()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The first so many bytes have been written: the rest must follow, whatever becomes of the client.
    pub(super) fn begin(&mut self, written: usize) {
        self.bytes.advance(written);
        self.origin = Origin::Any;
        self.weight = None;
        self.begun = true;
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.begun
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
    traced: Option<Arc<Traced>>,
}

impl FramesBuilder {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            bytes: BytesMut::new(),
            scratch: Vec::new(),
            messages: 0,
            published_ms: 0,
            traced: None,
        }
    }

    /// Adds the message that `write` appends to its argument; nothing if it appends nothing.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.scratch.clear();
        write(&mut self.scratch);
        if !self.scratch.is_empty() {
            self.frame();
            self.messages += 1;
        }
    }

    /// Appends the message that is in `scratch`.
    fn frame(&mut self) {
        let compression = match self.format.compression() {
            Compression::None => None,
            Compression::Deflate => Some(Window::Full),
            Compression::DeflateNear => Some(Window::Small),
        };
        match self.format.encoding() {
            Encoding::Text => {
                frame::append_message(&mut self.bytes, Kind::Text, &self.scratch, compression);
            }
            Encoding::MessagePack => {
                let mut packed = Vec::with_capacity(self.scratch.len());
                message_pack::from_json(&self.scratch, &mut packed);
                frame::append_message(&mut self.bytes, Kind::Binary, &packed, compression);
            }
            Encoding::Plain => self.bytes.extend_from_slice(&self.scratch),
        }
    }

    /// What is added next belongs to this trace.
    pub(crate) fn trace(&mut self, trace: TraceContext) {
        self.traced.get_or_insert_with(|| Arc::new(Traced::new(trace)));
    }

    /// The same for a publication of this time.
    pub(crate) fn add_published(&mut self, time_ms: u64, write: impl FnOnce(&mut Vec<u8>)) {
        if self.published_ms == 0 {
            self.published_ms = time_ms;
        }
        self.add(write);
    }

    /// The same, even if nothing was added, with what it has counted while it waited.
    pub(super) fn finish_weighing(self, weight: usize) -> Frames {
        Frames {
            bytes: self.bytes.freeze(),
            messages: self.messages,
            published_ms: self.published_ms,
            origin: Origin::Any,
            traced: self.traced,
            weight: Some(weight),
            begun: false,
        }
    }

    /// `None` if nothing was added.
    pub(crate) fn finish(self) -> Option<Frames> {
        (self.messages > 0).then(|| Frames {
            bytes: self.bytes.freeze(),
            messages: self.messages,
            published_ms: self.published_ms,
            origin: Origin::Any,
            traced: self.traced,
            weight: None,
            begun: false,
        })
    }
}
