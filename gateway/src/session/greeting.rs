//! What a dialect does for its client before anything of it is read: one command after the other, so that
//! the client is told in that order.

use std::collections::VecDeque;

use tidegate_shared::code::CloseCode;

use super::{Effect, Session};
use crate::dialect::{Reply, Request};

/// Takes no memory when it is over.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    #[expect(clippy::box_collection, reason = "a session is small while nothing happens")]
    rest: Option<Box<VecDeque<Request>>>,
}

impl Greeting {
    pub(super) fn is_over(&self) -> bool {
        self.rest.is_none()
    }
}

impl Session {
    /// Begins with the first of them. Until the last has ended the session is not ready.
    pub(crate) fn greet(&mut self, requests: Vec<Request>) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !requests.is_empty() {
            self.greeting.rest = Some(Box::new(requests.into()));
            self.greet_on(&mut effects);
        }
        effects
    }

    /// Goes on when nothing is under way.
    pub(super) fn greet_on(&mut self, effects: &mut Vec<Effect>) {
        if self.greeting.is_over() {
            return;
        }
        // A client that lacks a part of what all its like are told would not know. It can come back.
        let failed = |effect: &Effect| matches!(effect, Effect::Reply { reply: Reply::Failed(failure), .. } if failure.code.is_temporary());
        if effects.iter().any(failed) {
            self.greeting.rest = None;
            effects.push(Effect::Close(CloseCode::Unavailable));
            return;
        }
        while self.commands == 0 {
            let Some(request) = self.greeting.rest.as_mut().and_then(|rest| rest.pop_front()) else {
                self.greeting.rest = None;
                return;
            };
            self.take_in(request, effects);
        }
    }
}
