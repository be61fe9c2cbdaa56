//! What a connection is written in: a dialect in an encoding. A publication is encoded once for each
//! format that any of its receivers has, so formats are few and counted.

use tidegate_shared::config::DialectName;

use super::{Dialect, events, native};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    NativeJson,
    /// Blocks of an event stream.
    Events,
}

/// How messages of a format are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Each in a WebSocket text message.
    Text,
    /// One after the other, as they are.
    Plain,
}

impl Format {
    pub const COUNT: usize = 2;

    pub fn of(dialect: DialectName) -> Self {
        match dialect {
            DialectName::Native => Self::NativeJson,
        }
    }

    /// Smaller than [`Format::COUNT`].
    pub fn index(self) -> usize {
        self as usize
    }

    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::NativeJson => &native::Native,
            Self::Events => &events::Events,
        }
    }

    pub fn encoding(self) -> Encoding {
        match self {
            Self::NativeJson => Encoding::Text,
            Self::Events => Encoding::Plain,
        }
    }
}
