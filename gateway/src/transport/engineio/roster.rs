//! The Engine.IO clients of this node, by the names that their requests carry.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tidegate_shared::name::NodeId;
use tokio::sync::mpsc;

use crate::connection::socketio::Arrival;

/// Requests of one client that wait to be looked at.
const WAITING: usize = 8;
/// Hexadecimal digits that nobody can guess.
const SECRET: usize = 32;

/// A client's name: a secret, a dot, and the node that it is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Sid(Arc<str>);

impl Sid {
    pub(super) fn new(node: &NodeId) -> Self {
        Self(format!("{:032x}.{node}", rand::random::<u128>()).into())
    }

    /// `None` if it is not of our making.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (secret, node) = text.split_once('.')?;
        let fits = secret.len() == SECRET && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        (fits && NodeId::parse(node).is_ok()).then(|| Self(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn node(&self) -> Option<NodeId> {
        let (_, node) = self.0.split_once('.')?;
        NodeId::parse(node).ok()
    }
}

#[derive(Debug, Default)]
pub(super) struct Roster {
    clients: Mutex<HashMap<Sid, mpsc::Sender<Arrival>>>,
}

/// What a client's task is given.
#[derive(Debug)]
pub(super) struct Stay {
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) seat: Seat,
}

/// A client is found as long as this exists.
#[derive(Debug)]
pub(super) struct Seat {
    roster: Arc<Roster>,
    sid: Sid,
}

impl Roster {
    pub(super) fn enter(self: &Arc<Self>, sid: Sid) -> (mpsc::Sender<Arrival>, Stay) {
        let (sender, arrivals) = mpsc::channel(WAITING);
        self.clients.lock().insert(sid.clone(), sender.clone());
        let seat = Seat {
            roster: Arc::clone(self),
            sid,
        };
        (sender, Stay { arrivals, seat })
    }

    pub(super) fn find(&self, sid: &Sid) -> Option<mpsc::Sender<Arrival>> {
        self.clients.lock().get(sid).cloned()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.clients.lock().remove(&self.sid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_node_its_client_is_on() {
        let node = NodeId::parse("web-1.example.com-0a1b2c3d").expect("valid");
        let sid = Sid::new(&node);
        let read = Sid::parse(sid.as_str()).expect("of our making");
        assert_eq!(read.node(), Some(node));
        for foreign in ["", ".", "abc.node", "lv_VI97HAXpY6yYWAAAC", &"a".repeat(33)] {
            assert_eq!(Sid::parse(foreign), None, "{foreign}");
        }
    }
}
