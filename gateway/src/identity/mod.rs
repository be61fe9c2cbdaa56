//! Who a client is: tokens, and where a request carries one.
//!
//! Pure: texts go in, an [`Identity`] or the reason why there is none comes out. Never logs or repeats a
//! token.

mod presented;
#[cfg(test)]
mod tests;
mod verifier;

pub(crate) use presented::presented;
pub use verifier::{KeyError, SignError, TokenError, Verifier, sign};

use std::time::Duration;

use tidegate_shared::json::RawJson;
use tidegate_shared::name::UserId;

/// What a token says of its bearer.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    pub user: UserId,
    /// Shown to others in presence lists.
    pub info: Option<RawJson>,
    /// The token counts until then, since the Unix epoch, the leeway for clocks not included.
    pub expires_at: Duration,
}
