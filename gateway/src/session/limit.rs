//! How much one answer holds, where its client does not say or asks for more than there may be.

use tidegate_shared::broker::READ_LIMIT;
use tidegate_shared::presence::ENTRY_LIMIT;

/// Publications of a `history` that does not say how many.
const HISTORY: u64 = 100;
/// Members that a `presence` that does not say how many, or a `subscribe`, is told of.
const MEMBERS: u64 = 1_000;

/// How many publications a `history` that asks for so many gets at most.
pub(crate) fn history_limit(asked: Option<u64>) -> usize {
    usize::try_from(asked.unwrap_or(HISTORY)).map_or(READ_LIMIT, |limit| limit.min(READ_LIMIT))
}

/// How many members a `presence` that asks for so many gets at most.
pub(crate) fn members_limit(asked: Option<u64>) -> usize {
    usize::try_from(asked.unwrap_or(MEMBERS)).map_or(ENTRY_LIMIT, |limit| limit.min(ENTRY_LIMIT))
}
