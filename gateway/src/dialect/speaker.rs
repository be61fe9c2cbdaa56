//! Who speaks: what a dialect may know of a connection besides the message.

use tidegate_shared::name::{SessionId, UserId};

/// The door that a client came in by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entrance {
    /// The application of its endpoint, or else of its dialect.
    pub app: Box<str>,
    /// What its path has for the parameters of the endpoint's, in that order.
    pub parameters: Box<[(Box<str>, Box<str>)]>,
}

impl Entrance {
    /// What the path has for this parameter. Comes from the client: of any length and with anything in
    /// it but a slash.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(one, _)| **one == *name);
        found.map(|(_, value)| &**value)
    }
}

/// One connection at the time it says something.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    pub entrance: &'a Entrance,
    /// `None`: anonymous.
    pub user: Option<&'a UserId>,
    pub session: SessionId,
    /// Milliseconds since 1970, by the node's clock.
    pub time_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_by_its_name() {
        let entrance = Entrance {
            app: "mud".into(),
            parameters: [("room".into(), "hall".into())].into(),
        };
        assert_eq!(entrance.parameter("room"), Some("hall"));
        assert_eq!(entrance.parameter("zone"), None);
    }
}
