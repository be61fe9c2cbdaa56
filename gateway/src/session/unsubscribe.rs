//! Ending a subscription. Where there is a presence list that is answered when the session is off it.

use hashbrown::HashSet;
use tidegate_shared::topic::Topic;

use super::{Begun, Effect, Session, Work};
use crate::dialect::Reply;

impl Session {
    pub(super) fn end_subscription(&mut self, topic: &Topic, effects: &mut Vec<Effect>) {
        if self.subscriptions.remove(topic) {
            self.follows.remove(topic);
            if self.subscriptions.is_empty() {
                self.subscriptions = HashSet::new();
            }
            effects.push(Effect::Leave(topic.clone()));
        }
    }

    pub(super) fn begin_unsubscribe(&self, topic: Topic, announced: bool) -> Begun {
        if self.subscriptions.contains(&topic) && self.config.namespaces.of(&topic).presence {
            return Begun::Takes(Work::Part { topic, announced });
        }
        let unsubscribed = Reply::Unsubscribed { topic };
        Begun::Answered(if announced {
            Reply::Announced(Box::new(unsubscribed))
        } else {
            unsubscribed
        })
    }
}

/// Whether the session leaves a topic with this answer.
pub(super) fn ends_subscription(reply: &Reply) -> bool {
    match reply {
        Reply::Announced(inner) => ends_subscription(inner),
        reply => matches!(reply, Reply::Unsubscribed { .. }),
    }
}
