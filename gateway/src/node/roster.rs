//! Who is connected to this node, by session and by user.

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
}

#[derive(Debug)]
struct Seat {
    outbox: Arc<Outbox>,
    identity: Option<Arc<Identity>>,
}

impl Roster {
    pub(super) fn insert(&mut self, outbox: Arc<Outbox>) {
        let session = outbox.session();
        self.sessions.insert(
            session,
            Seat {
                outbox,
                identity: None,
            },
        );
    }

    /// A session stays with the user it has become known as.
    pub(super) fn identify(&mut self, session: SessionId, identity: Arc<Identity>) {
        if let Some(seat) = self.sessions.get_mut(&session) {
            let user = identity.user.clone();
            self.users.entry(user).or_default().insert(session);
            seat.identity = Some(identity);
        }
    }

    pub(super) fn remove(&mut self, session: SessionId) {
        let seat = self.sessions.remove(&session);
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
