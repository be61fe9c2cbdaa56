//! Whose connection it is, as its token says.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::code::ErrorCode;
use tidegate_shared::topic::Topic;
use tokio::time::Instant;

use super::bearer::Bearer;
use super::{Effect, Session};
use crate::dialect::{Failure, Reply, RequestId};
use crate::identity::Identity;
use crate::outbox::Order;

impl Session {
    /// The client has shown a token that counts for the time that is `left`.
    pub(crate) fn identify(&mut self, identity: &Arc<Identity>, now: Instant, left: Duration) -> Vec<Effect> {
        self.bearer = Some(Box::new(Bearer::new(identity.clone(), now, left)));
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
        left: Duration,
    ) -> Vec<Effect> {
        let failed = |id, failure| vec![Effect::reply("auth", id, Reply::Failed(failure))];
        let identity = match verified {
            Ok(identity) => identity,
            Err(failure) => return failed(id, failure),
        };
        if let Some(bearer) = &self.bearer
            && *bearer.user() != identity.user
        {
            let failure = Failure::new(
                ErrorCode::Unauthorized,
                "this connection belongs to another user: connect anew with this token",
            );
            return failed(id, failure);
        }
        let reply = Reply::Authenticated {
            user: identity.user.clone(),
            expires_at: identity.expires_at,
        };
        let is_new = self.bearer.is_none();
        let mut effects = vec![Effect::reply("auth", id, reply)];
        effects.extend(self.identify(&identity, now, left));
        if is_new {
            effects.extend(self.open_inbox());
        }
        effects
    }
}
