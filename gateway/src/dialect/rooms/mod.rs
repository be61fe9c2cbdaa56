//! Rooms of players. What a client sends goes to the application's methods on a worker, what happens in its
//! rooms comes back. The MUD speaks it.
//!
//! Three kinds of socket, told apart by the endpoint:
//!
//! * with a parameter `room` in its path: everybody in the room gets what any of them sends;
//! * without: the game itself, for players who see one room at a time;
//! * of an application whose name ends in `-chat`: its one chat.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tidegate_shared::publication::Publication;

use super::{
    DecodeError, Decoded, Dialect, Encoding, Entrance, Push, Refusal, Reply, Request, RequestId, Speaker,
    message_pack,
};

#[derive(Debug)]
pub struct Rooms;

/// What an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind<'a> {
    Room(&'a str),
    Game,
    Chat,
}

/// Longest name of a room, in characters.
const ROOM_LIMIT: usize = 64;

/// Ends the names of applications that are a chat.
const CHAT: &str = "-chat";

impl<'a> Kind<'a> {
    fn of(entrance: &'a Entrance) -> Self {
        match entrance.parameter("room") {
            Some(room) => Self::Room(room),
            None if entrance.app.ends_with(CHAT) => Self::Chat,
            None => Self::Game,
        }
    }
}

/// The application, whichever of its sockets this is.
fn app(entrance: &Entrance) -> &str {
    entrance.app.strip_suffix(CHAT).unwrap_or(&entrance.app)
}

impl Dialect for Rooms {
    fn name(&self) -> &'static str {
        "rooms"
    }

    fn app(&self) -> &'static str {
        "mud"
    }

    fn protocols(&self) -> &'static [(&'static str, Encoding)] {
        &[("tidegate.msgpack", Encoding::MessagePack)]
    }

    fn refusal(&self) -> Refusal {
        Refusal::Forbidden
    }

    /// In a room by its name nobody has to be somebody.
    fn forgives(&self, entrance: &Entrance) -> bool {
        matches!(Kind::of(entrance), Kind::Room(_))
    }

    /// A room's name is letters, digits and `_`.
    fn admits(&self, entrance: &Entrance) -> bool {
        match Kind::of(entrance) {
            Kind::Room(room) => {
                let fits = |c: char| c.is_alphanumeric() || c == '_';
                (1..=ROOM_LIMIT).contains(&room.chars().count()) && room.chars().all(fits)
            }
            Kind::Game | Kind::Chat => true,
        }
    }

    fn on_connect(&self, speaker: &Speaker<'_>) -> Vec<Request> {
        decode::on_connect(speaker.entrance)
    }

    fn decode(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Ok(decode::message(message, speaker.entrance))
    }

    fn decode_binary(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        match message_pack::to_json(message) {
            Ok(json) => self.decode(&json.into(), speaker),
            Err(wrong) => Err(DecodeError::rubbish(
                None,
                format!("no valid MessagePack, which binary messages are: {wrong}"),
            )),
        }
    }

    fn encode_reply(&self, _: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>) {
        encode::reply(reply, out);
    }

    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>) {
        encode::push(push, out);
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        encode::publication(publication, out);
    }
}
