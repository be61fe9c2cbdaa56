//! What is asked, by whom, and what is answered.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CALL_TIMEOUT;
use crate::json::RawJson;
use crate::name::{MethodName, SessionId, UserId};
use crate::position::{Epoch, Offset, Position};
use crate::topic::Topic;

/// A call as it is made.
#[derive(Debug, Clone)]
pub struct CallDraft {
    pub method: MethodName,
    pub data: RawJson,
    pub caller: Caller,
    /// At most [`CALL_TIMEOUT_LIMIT`](super::CALL_TIMEOUT_LIMIT); more counts as that.
    pub timeout: Duration,
}

impl CallDraft {
    /// Of nobody in particular, with the usual time.
    pub fn new(method: MethodName, data: RawJson) -> Self {
        Self {
            method,
            data,
            caller: Caller::default(),
            timeout: CALL_TIMEOUT,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Absent for calls over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What its token says about the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<RawJson>,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub data: RawJson,
    /// What was published for this call: whoever follows these topics is to see that first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
}

impl Answer {
    pub fn new(data: RawJson) -> Self {
        Self {
            data,
            after: Vec::new(),
        }
    }
}

/// A place in a topic's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    pub topic: Topic,
    epoch: String,
    pub offset: Offset,
}

impl After {
    pub fn new(topic: Topic, position: &Position) -> Self {
        Self {
            topic,
            epoch: position.epoch.as_str().to_owned(),
            offset: position.offset,
        }
    }

    pub fn epoch(&self) -> Epoch {
        Epoch::from_wire(&self.epoch)
    }
}

/// One call, unique among all: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u128);

impl CallId {
    /// Its length as text.
    pub(crate) const LENGTH: usize = 32;

    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::new_v4().as_u128())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == Self::LENGTH && text.bytes().all(|b| b.is_ascii_hexdigit());
        digits
            .then(|| u128::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
