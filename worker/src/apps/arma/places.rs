//! Where the map is kept, as the dialect `sync` has it, and what the game servers say of themselves.

use tidegate_shared::name::NameError;
use tidegate_shared::topic::Topic;

#[derive(Debug)]
pub(super) struct Places {
    pub(super) markers: Topic,
    pub(super) positions: Topic,
    pub(super) chat: Topic,
    /// Name of a server → map, number of players.
    pub(super) servers: Topic,
}

impl Places {
    /// The names are the application's own: that they are valid, a test proves.
    pub(super) fn new() -> Result<Self, NameError> {
        Ok(Self {
            markers: Topic::parse("arma:markers")?,
            positions: Topic::parse("arma:positions")?,
            chat: Topic::parse("chat:arma")?,
            servers: Topic::parse("arma:servers")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_its_own_is_valid() {
        Places::new().expect("valid names");
    }
}
