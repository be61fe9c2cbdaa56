//! The order of commands on one topic.

use std::collections::VecDeque;

use hashbrown::HashMap;
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;

use crate::dialect::{CallRequest, Command, Manner, Reply, RequestId};
use crate::outbox::Order;

/// What waits for its turn on a topic.
#[derive(Debug)]
pub(super) enum Waiting {
    Command {
        id: Option<RequestId>,
        command: Command,
        manner: Manner,
    },
    /// The server wants it.
    Order(Order),
    /// A job of the session's user is to be followed.
    Job { since: Option<Since> },
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
    busy: Option<Box<Busy>>,
}

#[derive(Debug, Default)]
struct Busy {
    topics: HashMap<Topic, VecDeque<Waiting>>,
    /// Calls that wait for subscriptions, of whatever topics.
    calls: VecDeque<HeldCall>,
}

pub(super) type HeldCall = (Option<RequestId>, Box<CallRequest>);

impl Lanes {
    /// Gives it back if it may begin at once.
    pub(super) fn enter(&mut self, topic: &Topic, waiting: Waiting) -> Option<Waiting> {
        match self.busy.as_mut().and_then(|busy| busy.topics.get_mut(topic)) {
            Some(queue) => {
                queue.push_back(waiting);
                None
            }
            None => Some(waiting),
        }
    }

    pub(super) fn occupy(&mut self, topic: Topic) {
        self.busy.get_or_insert_default().topics.entry(topic).or_default();
    }

    pub(super) fn next(&mut self, topic: &Topic) -> Option<Waiting> {
        self.busy.as_mut()?.topics.get_mut(topic)?.pop_front()
    }

    pub(super) fn free(&mut self, topic: &Topic) {
        if let Some(busy) = &mut self.busy {
            busy.topics.remove(topic);
            self.rest();
        }
    }

    pub(super) fn hold(&mut self, call: HeldCall) {
        self.busy.get_or_insert_default().calls.push_back(call);
    }

    pub(super) fn release(&mut self) -> VecDeque<HeldCall> {
        let calls = self.busy.as_mut().map(|busy| std::mem::take(&mut busy.calls));
        self.rest();
        calls.unwrap_or_default()
    }

    fn rest(&mut self) {
        let is_idle = |busy: &mut Box<Busy>| busy.topics.is_empty() && busy.calls.is_empty();
        self.busy.take_if(is_idle);
    }
}
