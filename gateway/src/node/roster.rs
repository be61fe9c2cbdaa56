//! Who is connected to this node, by session and by user.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use tidegate_shared::name::{SessionId, UserId};

use crate::control::Who;
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
    user: Option<UserId>,
}

impl Roster {
    pub(super) fn insert(&mut self, outbox: Arc<Outbox>, user: Option<UserId>) {
        let session = outbox.session();
        if let Some(user) = &user {
            self.users.entry(user.clone()).or_default().insert(session);
        }
        self.sessions.insert(session, Seat { outbox, user });
    }

    pub(super) fn remove(&mut self, session: SessionId) {
        let Some(Seat { user: Some(user), .. }) = self.sessions.remove(&session) else {
            return;
        };
        if let Some(sessions) = self.users.get_mut(&user) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.users.remove(&user);
            }
        }
    }

    pub(super) fn user(&self, session: SessionId) -> Option<UserId> {
        self.sessions.get(&session)?.user.clone()
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
