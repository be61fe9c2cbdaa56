//! What a connection is written in: a dialect in an encoding. A publication is encoded once for each
//! format that any of its receivers has, so formats are few and counted.

use tidegate_shared::config::DialectName;

use super::{Dialect, native};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    NativeJson,
}

/// What kind of WebSocket message carries a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Text,
}

impl Format {
    pub const COUNT: usize = 1;

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
        }
    }

    pub fn encoding(self) -> Encoding {
        match self {
            Self::NativeJson => Encoding::Text,
        }
    }
}
