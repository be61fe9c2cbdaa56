//! What a connection is written in: a dialect in an encoding, perhaps compressed. A publication is
//! encoded, and compressed, once for each format that any of its receivers has, so formats are few and
//! counted.

use super::{Dialect, events, native};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    language: Language,
    compression: Compression,
}

/// A dialect in an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    NativeJson,
    NativeMessagePack,
    /// Blocks of an event stream.
    Events,
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

impl Language {
    const COUNT: usize = 3;
}

impl Compression {
    const COUNT: usize = 3;
}

impl Format {
    pub const COUNT: usize = Language::COUNT * Compression::COUNT;

    pub fn new(language: Language, compression: Compression) -> Self {
        Self {
            language,
            compression,
        }
    }

    /// Smaller than [`Format::COUNT`].
    pub fn index(self) -> usize {
        self.language as usize * Compression::COUNT + self.compression as usize
    }

    pub fn compression(self) -> Compression {
        self.compression
    }

    pub fn dialect(self) -> &'static dyn Dialect {
        match self.language {
            Language::NativeJson | Language::NativeMessagePack => &native::Native,
            Language::Events => &events::Events,
        }
    }

    pub fn encoding(self) -> Encoding {
        match self.language {
            Language::NativeJson => Encoding::Text,
            Language::NativeMessagePack => Encoding::MessagePack,
            Language::Events => Encoding::Plain,
        }
    }
}

impl From<Language> for Format {
    fn from(language: Language) -> Self {
        Self::new(language, Compression::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_an_index_of_its_own_below_the_count() {
        let mut seen = [false; Format::COUNT];
        for language in [
            Language::NativeJson,
            Language::NativeMessagePack,
            Language::Events,
        ] {
            for compression in [Compression::None, Compression::Deflate, Compression::DeflateNear] {
                let index = Format::new(language, compression).index();
                assert!(!std::mem::replace(&mut seen[index], true), "{index} twice");
            }
        }
        assert_eq!(seen, [true; Format::COUNT]);
    }
}
