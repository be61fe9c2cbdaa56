//! What a connection is written in: a dialect in an encoding, perhaps compressed. A publication is
//! encoded, and compressed, once for each format that any of its receivers has.

use tidegate_shared::config::DialectName;

use super::Dialect;
use super::table::{APP_EVENTS, EVENTS, NATIVE, SOCKET_IO, TABLE};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Its place in the table of dialects.
    dialect: u8,
    encoding: Encoding,
    compression: Compression,
}

/// What large messages go through before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Deflate,
    /// For receivers with little memory: it looks back 512 bytes at most.
    DeflateNear,
}

/// What carries a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A WebSocket text message: what the dialect writes.
    Text,
    /// A WebSocket binary message: the JSON that the dialect writes, as MessagePack.
    MessagePack,
    /// One after the other, as they are.
    Plain,
}

impl Format {
    /// The native dialect in text messages.
    pub const NATIVE: Self = Self::at(NATIVE, Encoding::Text);
    /// Blocks of an event stream.
    pub const EVENTS: Self = Self::at(EVENTS, Encoding::Plain);

    /// What an application tells everybody, as blocks of an event stream.
    pub const APP_EVENTS: Self = Self::at(APP_EVENTS, Encoding::Plain);
    /// Records of which Socket.IO connections make packets.
    pub const SOCKET_IO: Self = Self::at(SOCKET_IO, Encoding::Plain);

    const fn at(dialect: u8, encoding: Encoding) -> Self {
        Self {
            dialect,
            encoding,
            compression: Compression::None,
        }
    }

    /// The dialect of this name in its own encoding. `None` where there is no such dialect.
    pub fn named(name: DialectName) -> Option<Self> {
        let place = TABLE.iter().position(|one| one.name() == name.as_str())?;
        let encoding = TABLE.get(place)?.encoding();
        u8::try_from(place).ok().map(|place| Self::at(place, encoding))
    }

    #[must_use]
    pub fn encoded(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    /// If the dialect allows it.
    #[must_use]
    pub fn compressed(self, compression: Compression) -> Self {
        if !self.dialect().may_compress() {
            return self;
        }
        Self { compression, ..self }
    }

    pub fn compression(self) -> Compression {
        self.compression
    }

    pub fn dialect(self) -> &'static dyn Dialect {
        // Formats are made here only, of places that there are.
        TABLE.get(usize::from(self.dialect)).copied().unwrap_or(TABLE[0])
    }

    /// The dialect's place in the table.
    pub(crate) fn place(self) -> usize {
        usize::from(self.dialect)
    }

    pub fn encoding(self) -> Encoding {
        self.encoding
    }
}
