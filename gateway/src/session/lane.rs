//! The order of commands on one topic.

use std::collections::VecDeque;

use hashbrown::HashMap;
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;

use crate::dialect::{Command, Reply, RequestId};
use crate::outbox::Order;

/// What waits for its turn on a topic.
#[derive(Debug)]
pub(super) enum Waiting {
    Command {
        id: Option<RequestId>,
        command: Command,
    },
    /// The server wants it.
    Order(Order),
    /// A job has been submitted and is to be followed.
    Follow {
        id: Option<RequestId>,
        submitted: Reply,
        since: Since,
    },
}

/// Topics with an operation under way, and what waits for its end. Takes no memory while there is none.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    busy: Option<Box<HashMap<Topic, VecDeque<Waiting>>>>,
}

impl Lanes {
    /// Gives it back if it may begin at once.
    pub(super) fn enter(&mut self, topic: &Topic, waiting: Waiting) -> Option<Waiting> {
        match self.busy.as_mut().and_then(|busy| busy.get_mut(topic)) {
            Some(queue) => {
                queue.push_back(waiting);
                None
            }
            None => Some(waiting),
        }
    }

    pub(super) fn occupy(&mut self, topic: Topic) {
        self.busy.get_or_insert_default().entry(topic).or_default();
    }

    pub(super) fn next(&mut self, topic: &Topic) -> Option<Waiting> {
        self.busy.as_mut()?.get_mut(topic)?.pop_front()
    }

    pub(super) fn free(&mut self, topic: &Topic) {
        if let Some(busy) = &mut self.busy {
            busy.remove(topic);
            if busy.is_empty() {
                self.busy = None;
            }
        }
    }
}
