//! Names that users choose, checked once. None of them may contain what would break a Redis hash tag
//! or a line of a log: braces, white space, control characters.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Why a text is not a valid name. The text itself is left out: it may be long or hostile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("{what} is empty")]
    Empty { what: &'static str },
    #[error("{what} has {length} bytes, at most {limit} are allowed")]
    TooLong {
        what: &'static str,
        length: usize,
        limit: usize,
    },
    #[error(
        "{what} contains {character:?} at byte {at}: braces, white space and control characters are not allowed"
    )]
    Character {
        what: &'static str,
        character: char,
        at: usize,
    },
    #[error("{what} contains {character:?} at byte {at}: only letters, digits, `.`, `_` and `-` are allowed")]
    NotPlain {
        what: &'static str,
        character: char,
        at: usize,
    },
}

/// Checks length and characters of a name that may use any printable Unicode but braces and spaces.
pub(crate) fn check(what: &'static str, text: &str, limit: usize) -> Result<(), NameError> {
    check_length(what, text, limit)?;
    match text
        .char_indices()
        .find(|(_, c)| matches!(c, '{' | '}') || c.is_whitespace() || c.is_control())
    {
        Some((at, character)) => Err(NameError::Character { what, character, at }),
        None => Ok(()),
    }
}

fn check_plain(what: &'static str, text: &str, limit: usize) -> Result<(), NameError> {
    check_length(what, text, limit)?;
    match text
        .char_indices()
        .find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
    {
        Some((at, character)) => Err(NameError::NotPlain { what, character, at }),
        None => Ok(()),
    }
}

fn check_length(what: &'static str, text: &str, limit: usize) -> Result<(), NameError> {
    match text.len() {
        0 => Err(NameError::Empty { what }),
        length if length > limit => Err(NameError::TooLong { what, length, limit }),
        _ => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Longest allowed name, in bytes.
            pub const LIMIT: usize = $limit;

            pub fn parse(text: &str) -> Result<Self, NameError> {
                $check($what, text, Self::LIMIT)?;
                Ok(Self(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name!(
    /// The name of a job queue: letters, digits, `.`, `_`, `-`.
    QueueName, "queue name", 64, check_plain
);
name!(
    /// What a job is, and so which handler runs it, as `backup` or `mud.tick`.
    JobType, "job type", 64, check_plain
);
name!(
    /// A key of a state topic's map.
    StateKey, "key", 255, check
);
name!(
    /// An idempotency key: the same key again does nothing again and answers as the first time did.
    IdempotencyKey, "idempotency key", 128, check
);
name!(
    /// What jobs that are not to run together, or not too many of them, have in common.
    ConcurrencyKey, "concurrency key", 128, check
);
name!(
    /// What a schedule is known by: letters, digits, `.`, `_`, `-`.
    ScheduleName, "schedule name", 64, check_plain
);
name!(
    /// An application's name for what a message is, passed on beside its data.
    EventName, "event", 128, check
);
name!(
    /// Who a session belongs to.
    UserId, "user", 128, check
);
name!(
    /// One gateway process, unique among those that run: host name and a random part.
    NodeId, "node", 128, check_plain
);
name!(
    /// One worker process, unique among those that run: host name and a random part.
    WorkerId, "worker", 128, check_plain
);
name!(
    /// What a call wants done, as `echo` or `pileup.register`.
    MethodName, "method", 64, check_plain
);
name!(
    /// Methods that are served together: the part of their names before the first dot.
    MethodGroup, "group of methods", 64, check_plain
);

impl MethodName {
    /// The group of methods that have no dot in their names.
    const UNGROUPED: &'static str = "call";

    pub fn group(&self) -> MethodGroup {
        let group = self.0.split_once('.').map(|(group, _)| group);
        MethodGroup(
            group
                .filter(|group| !group.is_empty())
                .unwrap_or(Self::UNGROUPED)
                .into(),
        )
    }
}

/// One client connection, on whichever node: 128 random bits in time order (UUID version 7), written
/// as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u128);

impl SessionId {
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().as_u128())
    }

    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        digits
            .then(|| u128::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl Default for SessionId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a session is 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_refuses_what_would_break_a_hash_tag_or_a_line() {
        for text in ["a{b", "a}b", "a b", "a\nb", "a\u{a0}b", "a\u{7f}b"] {
            assert!(
                matches!(StateKey::parse(text), Err(NameError::Character { at: 1, .. })),
                "{text:?}"
            );
        }
        assert!(StateKey::parse("größe/1:2").is_ok());
    }

    #[test]
    fn a_queue_name_is_plain() {
        assert!(QueueName::parse("mud.ticks-2_b").is_ok());
        assert!(matches!(
            QueueName::parse("a:b"),
            Err(NameError::NotPlain {
                character: ':',
                at: 1,
                ..
            })
        ));
        assert!(matches!(QueueName::parse(""), Err(NameError::Empty { .. })));
        assert!(matches!(
            QueueName::parse(&"q".repeat(65)),
            Err(NameError::TooLong { limit: 64, .. })
        ));
    }

    #[test]
    fn a_methods_group_is_what_stands_before_its_first_dot() {
        let group = |text| {
            MethodName::parse(text)
                .expect("valid")
                .group()
                .as_str()
                .to_owned()
        };
        assert_eq!(group("pileup.register"), "pileup");
        assert_eq!(group("mud.chat.say"), "mud");
        assert_eq!(
            (group("echo"), group(".x")),
            ("call".to_owned(), "call".to_owned())
        );
    }

    #[test]
    fn a_session_id_survives_its_text_form() {
        let id = SessionId::new();
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        let json = serde_json::to_string(&id).expect("JSON");
        assert_eq!(serde_json::from_str::<SessionId>(&json).expect("an id"), id);
        assert_eq!(SessionId::parse("+0000000000000000000000000000001"), None);
    }
}
