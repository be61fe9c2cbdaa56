//! Where in a topic's history something stands.

use std::fmt;

use rand::Rng;
use serde::{Serialize, Serializer};

/// Number of a publication in its topic: 1 for the first, then growing by exactly 1. A topic without
/// entries is at 0.
pub type Offset = u64;

/// A short random text, compared and never interpreted. Held inline; what is not of our making
/// becomes a value that equals no token of ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Token<const N: usize>([u8; N]);

impl<const N: usize> Token<N> {
    const NONE: Self = Self([0; N]);
    const FOREIGN: Self = Self([b'?'; N]);
    const ALPHABET: &'static [u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    fn random() -> Self {
        let mut rng = rand::rng();
        Self(std::array::from_fn(|_| {
            Self::ALPHABET[rng.random_range(0..Self::ALPHABET.len())]
        }))
    }

    fn from_wire(text: &str) -> Self {
        if text.is_empty() {
            return Self::NONE;
        }
        match <[u8; N]>::try_from(text.as_bytes()) {
            Ok(bytes) if bytes.iter().all(u8::is_ascii_alphanumeric) => Self(bytes),
            _ => Self::FOREIGN,
        }
    }

    fn as_str(&self) -> &str {
        if *self == Self::NONE {
            ""
        } else {
            std::str::from_utf8(&self.0).unwrap_or("?")
        }
    }
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(Token<$length>);

        impl $name {
            /// The empty token: that of a topic nothing was published to.
            pub const NONE: Self = Self(Token::NONE);

            pub fn random() -> Self {
                Self(Token::random())
            }

            /// What a client or Redis handed back. A text that is not of our making becomes a value
            /// that matches nothing, so it is answered like any other stale position.
            pub fn from_wire(text: &str) -> Self {
                Self(Token::from_wire(text))
            }

            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

token!(
    /// Names one life of a topic's log. Made when the log is first written or read; if Redis loses
    /// the topic, the next epoch is another.
    Epoch, 10
);
token!(
    /// Carried by each publication beside its offset, so that two histories which used the same
    /// offset for different publications (a failover that lost the newest) can be told apart.
    Tag, 6
);

/// A place in a topic's history: after the publication `offset`, which carried `tag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Position {
    pub epoch: Epoch,
    pub offset: Offset,
    pub tag: Tag,
}

impl Position {
    /// The position before the first publication of an epoch.
    pub fn start(epoch: Epoch) -> Self {
        Self {
            epoch,
            offset: 0,
            tag: Tag::NONE,
        }
    }
}

/// A position as a client hands it back. Without a tag a fork cannot be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    pub epoch: Epoch,
    pub offset: Offset,
    pub tag: Option<Tag>,
}

impl From<Position> for Since {
    fn from(position: Position) -> Self {
        Self {
            epoch: position.epoch,
            offset: position.offset,
            tag: Some(position.tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_wire_and_foreign_texts_match_nothing() {
        let epoch = Epoch::random();
        assert_eq!(Epoch::from_wire(epoch.as_str()), epoch);
        assert_eq!(Epoch::from_wire(""), Epoch::NONE);
        for text in ["x", "much too long to be one", "äöüäö", "0123456-89"] {
            assert_ne!(Epoch::from_wire(text), Epoch::NONE, "{text}");
            assert_eq!(Epoch::from_wire(text).as_str(), "??????????", "{text}");
        }
    }
}
