//! Who is connected to this node, by session and by user.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use tidegate_shared::name::{SessionId, UserId};

use crate::control::Who;
use crate::identity::Identity;
use crate::outbox::Outbox;

/// Holds no memory for users while nobody has a name.
#[derive(Debug, Default)]
pub(super) struct Roster {
    sessions: HashMap<SessionId, Seat>,
    users: HashMap<UserId, HashSet<SessionId>>,
    /// How many sessions have come from each address.
    addresses: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Seat {
    outbox: Arc<Outbox>,
    identity: Option<Arc<Identity>>,
    from: Option<IpAddr>,
}

impl Roster {
    /// How many there are of its address.
    pub(super) fn insert(&mut self, outbox: Arc<Outbox>, from: Option<IpAddr>) -> usize {
        let session = outbox.session();
        let count = from.map_or(0, |address| {
            let count = self.addresses.entry(address).or_default();
            *count += 1;
            *count
        });
        self.sessions.insert(
            session,
            Seat {
                outbox,
                identity: None,
                from,
            },
        );
        count
    }

    /// A session stays with the user it has become known as. How many there are of this user.
    pub(super) fn identify(&mut self, session: SessionId, identity: Arc<Identity>) -> usize {
        let Some(seat) = self.sessions.get_mut(&session) else {
            return 0;
        };
        let sessions = self.users.entry(identity.user.clone()).or_default();
        sessions.insert(session);
        seat.identity = Some(identity);
        sessions.len()
    }

    /// How many sessions there are of an address, and of a user.
    pub(super) fn counts(&self, from: Option<IpAddr>, user: Option<&UserId>) -> (usize, usize) {
        let of_address = from.and_then(|address| self.addresses.get(&address));
        let of_user = user.and_then(|user| self.users.get(user));
        (
            of_address.copied().unwrap_or_default(),
            of_user.map_or(0, HashSet::len),
        )
    }

    pub(super) fn remove(&mut self, session: SessionId) {
        let seat = self.sessions.remove(&session);
        if let Some(from) = seat.as_ref().and_then(|seat| seat.from)
            && let Some(count) = self.addresses.get_mut(&from)
        {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&from);
            }
        }
        let Some(Identity { user, .. }) = seat.as_ref().and_then(|seat| seat.identity.as_deref()) else {
            return;
        };
        if let Some(sessions) = self.users.get_mut(user) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.users.remove(user);
            }
        }
    }

    pub(super) fn identity(&self, session: SessionId) -> Option<Arc<Identity>> {
        self.sessions.get(&session)?.identity.clone()
    }

    pub(super) fn address(&self, session: SessionId) -> Option<IpAddr> {
        self.sessions.get(&session)?.from
    }

    pub(super) fn users(&self) -> Vec<UserId> {
        self.users.keys().cloned().collect()
    }

    pub(super) fn find(&self, who: &Who) -> Vec<Arc<Outbox>> {
        let outbox = |session: &SessionId| self.sessions.get(session).map(|seat| seat.outbox.clone());
        match who {
            Who::Session(session) => outbox(session).into_iter().collect(),
            Who::User(user) => {
                let sessions = self.users.get(user);
                sessions.into_iter().flatten().filter_map(outbox).collect()
            }
        }
    }
}
