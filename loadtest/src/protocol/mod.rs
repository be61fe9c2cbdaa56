//! What clients of a server say, so that servers of different protocols meet the same driver.
//!
//! Codecs without sockets and clocks: bytes of a WebSocket's messages in, what they mean out, and back. They know as
//! much of a protocol as a subscriber and a publisher need, and rely on servers that are well-behaved.

mod centrifuge;
mod mqtt;
mod native;
mod nats;
mod nchan;
mod socketio;

use clap::ValueEnum;

use crate::audit::Position;

/// How a server is spoken to.
pub(crate) trait Protocol: Sync {
    /// What a follower's request asks for, where it isn't the same for all.
    fn path(&self, _topic: &str) -> Option<String> {
        None
    }

    /// To be asked for by the handshake.
    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    /// Frames that a client begins with.
    fn hello(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Whether a client may go on after `hello` without an answer. If not, `Heard::Ready` says when.
    fn ready_at_once(&self) -> bool {
        true
    }

    /// Frames that subscribe; none where the handshake has done so.
    fn subscribe(&self, topic: &str, since: Option<&Position>) -> Option<Vec<u8>>;

    /// What a message of the WebSocket means. Gives how much of it was whole: of a stream the rest comes again.
    fn hear(&self, bytes: &[u8], heard: &mut dyn FnMut(Heard<'_>)) -> usize;

    /// Whether messages of the WebSocket are parts of a stream, and may break off anywhere.
    fn is_stream(&self) -> bool {
        false
    }

    /// Frames, or requests where `publishes_by_http`.
    fn publication(&self, topic: &str, data: &[u8], out: &mut Vec<u8>);

    /// Whether publishers send requests over a plain connection.
    fn publishes_by_http(&self) -> bool {
        false
    }
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard<'t> {
    Ready,
    Subscribed {
        position: Option<Position>,
        /// Whether what was missed follows, where a position was named.
        recovered: Option<bool>,
    },
    /// A publication, with its place where the server numbers them.
    Message {
        text: &'t [u8],
        offset: Option<u64>,
    },
    /// The server says that something will not come.
    Told,
    /// Go, and come back after so many milliseconds.
    Goaway(u64),
    /// About a job.
    Job(&'t [u8]),
    /// To be sent back.
    Answer(Vec<u8>),
    Refused(&'t [u8]),
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Tidegate's own
    Native,
    /// NATS over WebSocket
    Nats,
    /// Nchan: subscribers by WebSocket, publishers by POST
    Nchan,
    /// MQTT 3.1.1 over WebSocket, quality 0
    Mqtt,
    /// Socket.IO 5 over Engine.IO 4, with the events of peers/socketio/server.mjs
    Socketio,
    /// Centrifuge's JSON
    Centrifuge,
}

impl Name {
    pub(crate) fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::Native => &native::Native,
            Self::Nats => &nats::Nats,
            Self::Nchan => &nchan::Nchan,
            Self::Mqtt => &mqtt::Mqtt,
            Self::Socketio => &socketio::SocketIo,
            Self::Centrifuge => &centrifuge::Centrifuge,
        }
    }

    /// Where its clients connect, unless told otherwise.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Native => "/ws",
            Self::Nats | Self::Mqtt | Self::Nchan => "/",
            Self::Socketio => "/socket.io/?EIO=4&transport=websocket",
            Self::Centrifuge => "/connection/websocket",
        }
    }
}

#[cfg(test)]
fn hear_all(protocol: &dyn Protocol, bytes: &[u8]) -> (Vec<String>, usize) {
    let mut all = Vec::new();
    let used = protocol.hear(bytes, &mut |heard| {
        all.push(match heard {
            Heard::Message { text, offset } => {
                format!("message {} {offset:?}", String::from_utf8_lossy(text))
            }
            Heard::Answer(bytes) => format!("answer {:?}", String::from_utf8_lossy(&bytes)),
            other => format!("{other:?}"),
        });
    });
    (all, used)
}
