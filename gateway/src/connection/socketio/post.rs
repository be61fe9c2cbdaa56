//! Requests of a polling client: what it brings, and what it waits for.

use tidegate_shared::code::CloseCode;
use tokio::sync::oneshot;

use super::carrier::Probe;
use super::{Arrival, Carrier, Client, End, Packet, Refused};

/// Packets that one request brought.
#[derive(Debug)]
pub(super) struct Post {
    packets: std::vec::IntoIter<Packet>,
    /// Told when all are taken in: then the client may bring more.
    taken: oneshot::Sender<Result<(), Refused>>,
}

impl Client {
    pub(super) fn on_arrival(&mut self, arrival: Arrival) -> Option<End> {
        match (arrival, &mut self.carrier) {
            (Arrival::Poll(answer), Carrier::Polling { waiting }) => {
                if waiting.is_some() {
                    // A client polls once at a time: which of two would get what comes next?
                    let _ = answer.send(Err(Refused));
                    return Some(End::Server(CloseCode::ProtocolError));
                }
                *waiting = Some(answer);
                None
            }
            (Arrival::Post(packets, taken), Carrier::Polling { .. }) => {
                if self.post.is_some() {
                    let _ = taken.send(Err(Refused));
                    return Some(End::Server(CloseCode::ProtocolError));
                }
                self.post = Some(Post {
                    packets: packets.into_iter(),
                    taken,
                });
                None
            }
            (Arrival::Upgrade(socket), Carrier::Polling { .. }) => {
                // A second one is closed by being dropped.
                self.probe.get_or_insert_with(|| Box::new(Probe::new(*socket)));
                None
            }
            (Arrival::Broken, _) => Some(End::Server(CloseCode::ProtocolError)),
            // It has gone over to a WebSocket.
            (Arrival::Poll(answer), Carrier::Socket { .. }) => {
                let _ = answer.send(Err(Refused));
                None
            }
            (Arrival::Post(_, taken), Carrier::Socket { .. }) => {
                let _ = taken.send(Err(Refused));
                None
            }
            (Arrival::Upgrade(_), Carrier::Socket { .. }) => None,
        }
    }

    /// Takes in what a request brought, as far as the session has room.
    pub(super) fn poll_post(&mut self) -> Option<End> {
        while self.member.session.is_ready() {
            let post = self.post.as_mut()?;
            match post.packets.next() {
                Some(packet) => {
                    if let Some(end) = self.on_packet(packet) {
                        self.answer_post();
                        return Some(end);
                    }
                }
                None => self.answer_post(),
            }
        }
        None
    }

    /// Whether more of it could be taken in at once.
    pub(super) fn has_post(&self) -> bool {
        self.post.is_some() && self.member.session.is_ready()
    }

    fn answer_post(&mut self) {
        if let Some(post) = self.post.take() {
            // A client that does not wait for it misses nothing.
            let _ = post.taken.send(Ok(()));
        }
    }
}
