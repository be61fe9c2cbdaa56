//! Asking a worker. A call begins when no subscription is being made any more: so whoever has asked for a
//! topic before it sees what the call publishes there.

use super::{Effect, Operation, Session, Ticket, Work, refuse};
use crate::dialect::{CallRequest, Manner, Reply, RequestId};

impl Session {
    pub(super) fn call(
        &mut self,
        id: Option<RequestId>,
        call: Box<CallRequest>,
        manner: Manner,
        effects: &mut Vec<Effect>,
    ) {
        if let Err(failure) = refuse::call(&self.config, self.trusted || manner.granted, self.who(), &call) {
            effects.push(Effect::reply("call", id, Reply::Failed(failure)));
            return;
        }
        self.commands += 1;
        if self.joining > 0 {
            self.lanes.hold((id, call));
        } else {
            effects.push(begin(id, call));
        }
    }

    /// Begins what waited for subscriptions, if none is being made.
    pub(super) fn release_calls(&mut self, effects: &mut Vec<Effect>) {
        if self.joining == 0 {
            let held = self.lanes.release();
            effects.extend(held.into_iter().map(|(id, call)| begin(id, call)));
        }
    }
}

fn begin(id: Option<RequestId>, call: Box<CallRequest>) -> Effect {
    let ticket = Ticket {
        id,
        action: "call",
        topic: None,
    };
    let work = Work::Call { call };
    Effect::Start(Box::new(Operation { ticket, work }))
}
