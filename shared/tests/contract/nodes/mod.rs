//! What [`Nodes`](tidegate_shared::nodes::Nodes) promises.

pub(crate) mod listing;
pub(crate) mod telling;
