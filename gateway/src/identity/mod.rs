//! Who a client is: tokens and passwords, and where a request carries them.
//!
//! Texts go in, an [`Identity`] or the reason why there is none comes out. Never logs or repeats a token or
//! a password.

mod grants;
mod guesses;
mod jwks;
mod presented;
#[cfg(test)]
mod tests;
mod users;
mod verifier;

pub use grants::{Grants, Patterns};
pub(crate) use presented::{Accepted, Credentials, Presented};
pub use users::{LoginError, PasswordError, Users};
pub use verifier::{KeyError, SignError, TokenError, Verifier, sign};

use std::time::Duration;

use tidegate_shared::json::RawJson;
use tidegate_shared::name::UserId;

/// Who a client has shown to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    pub user: UserId,
    /// Shown to others in presence lists.
    pub info: Option<RawJson>,
    /// Its token counts until then, since the Unix epoch, the leeway for clocks not included. Absent: it
    /// came with a password.
    pub expires_at: Option<Duration>,
    /// The topics that its token names. Absent: none.
    pub grants: Option<Box<Grants>>,
}
