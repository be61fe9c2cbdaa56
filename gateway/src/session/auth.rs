//! Whose connection it is, as its token or its password says.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::Secret;
use tidegate_shared::topic::Topic;
use tokio::time::Instant;

use super::bearer::Bearer;
use super::{Effect, Operation, Session, Ticket, Work};
use crate::dialect::{Failure, Reply, RequestId};
use crate::identity::Identity;
use crate::outbox::Order;

impl Session {
    /// The client has shown who it is, which counts for the time that is `left`, or from now on.
    pub(crate) fn identify(
        &mut self,
        identity: &Arc<Identity>,
        now: Instant,
        left: Option<Duration>,
    ) -> Vec<Effect> {
        let ends = left.map(|left| (now, left));
        self.bearer = Some(Box::new(Bearer::new(identity.clone(), ends)));
        vec![Effect::Identified(identity.clone())]
    }

    /// Subscribes to the user's inbox, without being asked.
    pub(crate) fn open_inbox(&mut self) -> Vec<Effect> {
        let inbox = self.user().map(Topic::of_user);
        let order = inbox.map(|topic| Order::Subscribe { topic, since: None });
        order.map(|order| self.on_order(order)).unwrap_or_default()
    }

    /// The answer to [`Effect::Verify`].
    pub(crate) fn on_verified(
        &mut self,
        id: Option<RequestId>,
        verified: Result<Arc<Identity>, Failure>,
        now: Instant,
        left: Option<Duration>,
    ) -> Vec<Effect> {
        match verified {
            Ok(identity) => self.become_user("auth", id, identity, left.map(|left| (now, left))),
            Err(_) if self.is_stranger() => Self::turn_away(),
            Err(failure) => vec![Effect::reply("auth", id, Reply::Failed(failure))],
        }
    }

    /// The token's key has to be asked for first. What comes meanwhile waits, as after a password.
    pub(crate) fn verify_later(&mut self, id: Option<RequestId>, token: Box<str>) -> Vec<Effect> {
        self.logging_in = true;
        self.commands += 1;
        let ticket = Ticket {
            id,
            action: "auth",
            topic: None,
        };
        let work = Work::Verify { token };
        vec![Effect::Start(Box::new(Operation { ticket, work }))]
    }

    pub(super) fn verified_late(
        &mut self,
        id: Option<RequestId>,
        verified: Result<Arc<Identity>, Failure>,
        ends: Option<(Instant, Duration)>,
    ) -> Vec<Effect> {
        self.logging_in = false;
        match verified {
            Ok(identity) => self.become_user("auth", id, identity, ends),
            Err(_) if self.is_stranger() => Self::turn_away(),
            Err(failure) => vec![Effect::reply("auth", id, Reply::Failed(failure))],
        }
    }

    pub(super) fn login(
        &mut self,
        id: Option<RequestId>,
        user: Box<str>,
        password: Secret,
        effects: &mut Vec<Effect>,
    ) {
        self.logging_in = true;
        self.commands += 1;
        let ticket = Ticket {
            id,
            action: "login",
            topic: None,
        };
        let work = Work::Login { user, password };
        effects.push(Effect::Start(Box::new(Operation { ticket, work })));
    }

    pub(super) fn logged_in(
        &mut self,
        id: Option<RequestId>,
        result: Result<Arc<Identity>, Failure>,
    ) -> Vec<Effect> {
        self.logging_in = false;
        match result {
            Ok(identity) => self.become_user("login", id, identity, None),
            Err(_) if self.is_stranger() => Self::turn_away(),
            Err(failure) => vec![Effect::reply("login", id, Reply::Failed(failure))],
        }
    }

    fn become_user(
        &mut self,
        action: &'static str,
        id: Option<RequestId>,
        identity: Arc<Identity>,
        ends: Option<(Instant, Duration)>,
    ) -> Vec<Effect> {
        if let Some(bearer) = &self.bearer
            && *bearer.user() != identity.user
        {
            let failure = Failure::new(
                ErrorCode::Unauthorized,
                "this connection belongs to another user: connect anew to be this one",
            );
            return vec![Effect::reply(action, id, Reply::Failed(failure))];
        }
        let reply = Reply::Authenticated {
            user: identity.user.clone(),
            expires_at: identity.expires_at,
        };
        self.introduced();
        let is_new = self.bearer.is_none();
        self.bearer = Some(Box::new(Bearer::new(identity.clone(), ends)));
        let mut effects = vec![Effect::reply(action, id, reply), Effect::Identified(identity)];
        if is_new {
            effects.extend(self.open_inbox());
        }
        effects
    }
}
