//! Every dialect that there is. To add one, add its line here and its name in the configuration
//! (`shared/src/config/endpoint.rs`).

use super::{Dialect, events, feed, native, rooms, rpc, socketio, sync, tasks};

/// A dialect is known by its place in this table.
pub static TABLE: &[&dyn Dialect] = &[
    &native::Native,
    &events::Events,
    &socketio::SocketIo,
    &rpc::EventStream,
    &sync::Sync,
    &feed::Feed,
    &tasks::Tasks,
    &rooms::Rooms,
    &rpc::Rpc,
];

pub(super) const NATIVE: u8 = 0;
pub(super) const EVENTS: u8 = 1;
pub(super) const SOCKET_IO: u8 = 2;
pub(super) const APP_EVENTS: u8 = 3;

#[cfg(test)]
mod tests {
    use tidegate_shared::config::DialectName;

    use super::*;
    use crate::dialect::Format;

    #[test]
    fn what_an_endpoint_can_speak_is_in_the_table() {
        let others = [DialectName::ECHO, DialectName::HTTP];
        for name in DialectName::ALL.iter().filter(|name| !others.contains(name)) {
            let format = Format::named(*name).expect("a line in the table");
            assert_eq!(format.dialect().name(), name.as_str());
        }
    }

    #[test]
    fn no_two_dialects_have_the_same_name() {
        for (place, dialect) in TABLE.iter().enumerate() {
            let first = TABLE.iter().position(|one| one.name() == dialect.name());
            assert_eq!(first, Some(place), "{}", dialect.name());
        }
    }

    #[test]
    fn the_places_of_the_first_ones_are_known() {
        assert_eq!(Format::NATIVE.dialect().name(), "native");
        assert_eq!(Format::EVENTS.dialect().name(), "sse");
        assert_eq!(Format::SOCKET_IO.dialect().name(), "socketio");
        assert_eq!(Format::APP_EVENTS.dialect().name(), "events");
    }
}
