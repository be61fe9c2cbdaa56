//! What the server wants of a session.

use super::lane::Waiting;
use super::{Begun, Effect, Session, Work};
use crate::dialect::Reply;
use crate::outbox::Order;

impl Session {
    /// The server wants something of this session; it takes its turn among the client's commands.
    pub(crate) fn on_order(&mut self, order: Order) -> Vec<Effect> {
        let mut effects = Vec::new();
        let topic = match order {
            Order::Follow(job) => {
                self.follow_one(job, &mut effects);
                return effects;
            }
            Order::Listed { jobs, read_at } => {
                self.follow_listed(&jobs, read_at, &mut effects);
                return effects;
            }
            Order::Subscribe { ref topic, .. }
            | Order::Unsubscribe { ref topic }
            | Order::Ended { ref topic, .. } => topic.clone(),
        };
        self.commands += 1;
        self.enter(topic, Waiting::Order(order), &mut effects);
        // Where one ended there is room for another.
        self.follow_waiting(&mut effects);
        effects
    }

    pub(super) fn begin_order(&mut self, order: Order) -> Begun {
        match order {
            Order::Subscribe { topic, .. } if self.subscriptions.contains(&topic) => Begun::Nothing,
            Order::Subscribe { topic, since } => {
                if let Err(failure) = self.check_room() {
                    return Begun::Answered(Reply::Failed(failure));
                }
                self.joining += 1;
                Begun::Takes(Work::Join {
                    topic,
                    since,
                    announced: true,
                    lists: false,
                    only: None,
                })
            }
            Order::Unsubscribe { topic } if self.subscriptions.contains(&topic) => {
                self.leave_to_client(&topic);
                self.begin_unsubscribe(topic, true)
            }
            Order::Ended { topic, at } => self.begin_ended(topic, at),
            // The others are on no topic, so they never get here.
            Order::Unsubscribe { .. } | Order::Follow(_) | Order::Listed { .. } => Begun::Nothing,
        }
    }
}
