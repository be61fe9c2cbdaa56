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

/// Topics with operations under way, and what waits for their end. Takes no memory while there is none.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    busy: Option<Box<Busy>>,
}

#[derive(Debug, Default)]
struct Busy {
    topics: HashMap<Topic, Lane>,
    /// Calls that wait for subscriptions, of whatever topics.
    calls: VecDeque<HeldCall>,
}

#[derive(Debug, Default)]
struct Lane {
    /// How many operations. More than one only of those that keep their order by themselves.
    under_way: u16,
    /// Those under way let others of their kind come after them.
    open: bool,
    waiting: VecDeque<(Waiting, bool)>,
}

impl Lane {
    /// Whether something may begin now.
    fn lets(&self, orderly: bool) -> bool {
        self.under_way == 0 || (self.open && orderly)
    }
}

pub(super) type HeldCall = (Option<RequestId>, Box<CallRequest>);

impl Lanes {
    /// Gives it back if it may begin at once. `orderly`: what is begun one after the other comes out one after the
    /// other, without waiting for each other's end.
    pub(super) fn enter(&mut self, topic: &Topic, waiting: Waiting, orderly: bool) -> Option<Waiting> {
        match self.busy.as_mut().and_then(|busy| busy.topics.get_mut(topic)) {
            Some(lane) if !lane.waiting.is_empty() || !lane.lets(orderly) => {
                lane.waiting.push_back((waiting, orderly));
                None
            }
            _ => Some(waiting),
        }
    }

    /// An operation has begun.
    pub(super) fn occupy(&mut self, topic: Topic, orderly: bool) {
        let lane = self.busy.get_or_insert_default().topics.entry(topic).or_default();
        lane.under_way += 1;
        lane.open = orderly;
    }

    /// An operation has ended.
    pub(super) fn leave(&mut self, topic: &Topic) {
        if let Some(lane) = self.busy.as_mut().and_then(|busy| busy.topics.get_mut(topic)) {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
    }

    /// What may begin now, and whether it is orderly.
    pub(super) fn next(&mut self, topic: &Topic) -> Option<(Waiting, bool)> {
        let lane = self.busy.as_mut()?.topics.get_mut(topic)?;
        let (_, orderly) = lane.waiting.front()?;
        if lane.lets(*orderly) {
            lane.waiting.pop_front()
        } else {
            None
        }
    }

    /// Forgets a topic on which nothing is under way.
    pub(super) fn tidy(&mut self, topic: &Topic) {
        if let Some(busy) = &mut self.busy
            && busy.topics.get(topic).is_some_and(|lane| lane.under_way == 0)
        {
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
