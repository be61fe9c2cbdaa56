//! A shared map: all of it on connecting, changes after that. The Arma Reforger live map speaks it.
//!
//! Markers are the state topic `{app}:markers`, positions `{app}:positions`, each user's under a key of
//! its own, and chat goes over `chat:{app}`. Nobody is told what it did itself: a client has drawn its
//! marker already, and would draw it twice.

mod decode;
mod encode;
mod key;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;

use super::{DecodeError, Decoded, Dialect, Push, Reply, Request, RequestId, Speaker};

#[derive(Debug)]
pub struct Sync;

/// What its messages are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Markers,
    Positions,
    Chat,
}

const PARTS: [Part; 3] = [Part::Markers, Part::Positions, Part::Chat];

impl Part {
    /// `None` if the application's name makes no topic.
    fn topic(self, app: &str) -> Option<Topic> {
        let name = match self {
            Self::Markers => format!("{app}:markers"),
            Self::Positions => format!("{app}:positions"),
            Self::Chat => format!("chat:{app}"),
        };
        Topic::parse(&name).ok()
    }

    fn of(topic: &Topic) -> Option<Self> {
        match topic.as_str().split_once(':')? {
            (_, "markers") => Some(Self::Markers),
            (_, "positions") => Some(Self::Positions),
            ("chat", _) => Some(Self::Chat),
            _ => None,
        }
    }
}

impl Dialect for Sync {
    fn name(&self) -> &'static str {
        "sync"
    }

    fn app(&self) -> &'static str {
        "arma"
    }

    fn on_connect(&self, speaker: &Speaker<'_>) -> Vec<Request> {
        let topics = PARTS.iter().filter_map(|part| part.topic(&speaker.entrance.app));
        topics.map(Request::follow).collect()
    }

    fn decode(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        decode::message(message, &speaker.entrance.app)
    }

    /// Some clients send their text in binary messages; they are answered in text ones.
    fn decode_binary(&self, message: &Bytes, speaker: &Speaker<'_>) -> Result<Decoded, DecodeError> {
        self.decode(message, speaker)
    }

    fn encode_reply(&self, _: Option<&RequestId>, reply: &Reply, out: &mut Vec<u8>) {
        match reply {
            Reply::Subscribed { topic, snapshot, .. } => encode::sync(topic, snapshot.as_ref(), false, out),
            Reply::Failed(failure) => encode::error(failure, out),
            _ => {}
        }
    }

    fn encode_push(&self, push: &Push<'_>, out: &mut Vec<u8>) {
        if let Push::Reset { topic, snapshot, .. } = push {
            encode::sync(topic, *snapshot, true, out);
        }
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) {
        encode::publication(publication, out);
    }
}
