//! Socket.IO 5 over Engine.IO 4, as its clients speak it.
//!
//! [`engine`] and [`packet`] are what stands on the wire, [`Conversation`] what it means: namespaces,
//! rooms, answers, and where a client goes on that comes back. As a [`Dialect`] it writes [`Record`]s,
//! which a connection's conversation turns into packets when they are taken: one publication is written
//! once, however many follow it.

mod binary;
mod conversation;
mod cursor;
pub mod engine;
mod event;
mod names;
mod packet;
mod record;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tidegate_shared::position::Position;
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::topic::Topic;

use super::native::Native;
use super::{DecodeError, Decoded, Dialect, Encoding, Push, Reply, RequestId, Speaker};

pub use conversation::{Conversation, Setting, Step};
pub use names::App;
pub use record::{Answer, Event, Record};

#[derive(Debug)]
pub struct SocketIo;

impl Dialect for SocketIo {
    fn name(&self) -> &'static str {
        "socketio"
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn may_compress(&self) -> bool {
        false
    }

    /// What comes in means something only within a conversation.
    fn decode(&self, _: &Bytes, _: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        Err(DecodeError::unsupported(
            None,
            "Socket.IO is not spoken without Engine.IO",
        ))
    }

    fn encode_reply(&self, id: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>) {
        if let Reply::Announced(inner) = reply {
            match &**inner {
                Reply::Subscribed { topic, .. } => Record::Announced(topic.clone(), true).append(out),
                Reply::Unsubscribed { topic } => Record::Announced(topic.clone(), false).append(out),
                _ => {}
            }
            return;
        }
        let mut json = Vec::new();
        Native.encode_announcement(reply, &mut json);
        let Some(id) = id.and_then(|id| id.as_str().parse().ok()) else {
            if let Reply::Failed(_) = reply {
                event(None, None, &event::named("error", &json), out);
            }
            return;
        };
        let (place, recovered) = match reply {
            Reply::Subscribed {
                position, recovered, ..
            } => (*position, *recovered),
            _ => (None, None),
        };
        let answer = Answer {
            id,
            is_failure: matches!(reply, Reply::Failed(_)),
            place,
            recovered,
            json: json.into(),
        };
        Record::Reply(answer).append(out);
    }

    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>) {
        let (name, topic, place) = match push {
            Push::Lagged { topic, .. } => ("lagged", Some(*topic), None),
            Push::Reset { topic, position, .. } => ("reset", Some(*topic), Some(*position)),
            Push::Failed { topic, .. } => ("error", *topic, None),
            // The clients' library tells by itself that it is connected, and why it is no more.
            _ => return,
        };
        let mut json = Vec::new();
        Native.encode_push(push, &mut json);
        event(topic, place, &event::named(name, &json), out);
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        let place = publication.place.map(|place| place.position);
        let array = match &publication.body {
            Body::Message { data, event } => {
                let name = match event {
                    Some(event) => event.as_str(),
                    None => names::default_event(&publication.topic),
                };
                event::of_data(name, data)
            }
            body => {
                let name = match body {
                    Body::Set { .. } => "set",
                    Body::Remove { .. } => "remove",
                    Body::Job { .. } => "job",
                    Body::Join { .. } => "join",
                    _ => "leave",
                };
                let mut json = Vec::new();
                Native.encode_publication(publication, &mut json);
                event::named(name, &json)
            }
        };
        event(Some(&publication.topic), place, &array, out);
    }
}

fn event(topic: Option<&Topic>, place: Option<Position>, array: &[u8], out: &mut Vec<u8>) {
    let (array, attachments) = match binary::take_out(array) {
        Some((array, attachments)) => (array.into(), attachments),
        None => (Bytes::copy_from_slice(array), Vec::new()),
    };
    let event = Event {
        topic: topic.cloned(),
        place,
        array,
        attachments,
    };
    Record::Event(event).append(out);
}
