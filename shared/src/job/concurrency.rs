use serde::{Deserialize, Serialize};

use crate::name::ConcurrencyKey;

/// How many jobs of a queue with the same key may run at once. Those that may not yet are queued, and do not
/// keep others from running. A job is held against its own limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelled")]
pub struct Concurrency {
    key: ConcurrencyKey,
    limit: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelled {
    key: ConcurrencyKey,
    /// One after the other, unless it says otherwise.
    #[serde(default = "one")]
    limit: u32,
}

fn one() -> u32 {
    1
}

impl Concurrency {
    /// The highest limit.
    pub const LIMIT: u32 = 10_000;

    /// `None` if the limit is 0 or too high.
    pub fn new(key: ConcurrencyKey, limit: u32) -> Option<Self> {
        (1..=Self::LIMIT).contains(&limit).then_some(Self { key, limit })
    }

    pub fn key(&self) -> &ConcurrencyKey {
        &self.key
    }

    pub fn limit(&self) -> u32 {
        self.limit
    }
}

impl TryFrom<Spelled> for Concurrency {
    type Error = String;

    fn try_from(spelled: Spelled) -> Result<Self, String> {
        let limit = spelled.limit;
        Self::new(spelled.key, limit)
            .ok_or_else(|| format!("a limit of {limit} is not possible: 1 to {} are", Self::LIMIT))
    }
}
