//! Messages that are no commands.

use tidegate_shared::code::CloseCode;

use super::{Effect, Session};
use crate::dialect::{DecodeError, Reply};

/// So many in a row end the connection.
const RUBBISH: u8 = 10;

/// What metrics call a message that is no command.
pub(crate) const INVALID: &str = "invalid";

impl Session {
    /// A message that made sense without a command.
    pub(crate) fn on_sense(&mut self) {
        self.rubbish = 0;
    }

    /// A message that is no command.
    pub(crate) fn on_rubbish(&mut self, error: DecodeError) -> Vec<Effect> {
        let (id, failure) = match error {
            DecodeError::Rubbish { id, failure } => {
                self.rubbish = self.rubbish.saturating_add(1);
                (id, failure)
            }
            DecodeError::Unsupported { id, failure } => (id, failure),
        };
        let mut effects = vec![Effect::reply(INVALID, id, Reply::Failed(failure))];
        if self.rubbish >= RUBBISH {
            effects.push(Effect::Close(CloseCode::BadRequest));
        }
        effects
    }
}
