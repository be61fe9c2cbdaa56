//! Calls in memory: who serves what, what waits, what runs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::call::{
    Answer, CALLS_WAITING, CallDraft, CallError, CallFailure, CallId, Service, TAKE_LIMIT, Taken, Ticket,
};
use crate::name::{MethodGroup, MethodName, WorkerId};

/// What becomes of a call.
pub(super) type Outcome = Result<Answer, CallFailure>;

#[derive(Debug, Default)]
pub(super) struct CallBook {
    groups: HashMap<MethodGroup, Group>,
    /// Who waits for answers.
    asking: HashMap<CallId, oneshot::Sender<Outcome>>,
}

#[derive(Debug, Default)]
struct Group {
    /// Until when, and which methods.
    workers: BTreeMap<WorkerId, (u64, Vec<MethodName>)>,
    waiting: VecDeque<Waiting>,
    /// Until when somebody waits for them.
    running: HashMap<CallId, (u64, CancellationToken)>,
    /// Of a serial group: whose turn it is, and until when.
    turn: Option<(CallId, WorkerId, u64)>,
}

#[derive(Debug)]
struct Waiting {
    id: CallId,
    call: CallDraft,
    until: u64,
}

impl Group {
    fn expire(&mut self, now: u64) {
        self.workers.retain(|_, (until, _)| *until > now);
        self.running.retain(|_, (until, _)| *until > now);
        self.turn.take_if(|(_, _, until)| *until <= now);
    }

    fn is_idle(&self) -> bool {
        self.workers.is_empty() && self.waiting.is_empty() && self.running.is_empty() && self.turn.is_none()
    }
}

impl CallBook {
    pub(super) fn submit(
        &mut self,
        id: CallId,
        call: CallDraft,
        until: u64,
        now: u64,
    ) -> Result<oneshot::Receiver<Outcome>, CallError> {
        let name = call.method.group();
        let missing = || CallError::NoWorker(call.method.clone());
        let group = self.groups.get_mut(&name).ok_or_else(missing)?;
        group.expire(now);
        if !group
            .workers
            .values()
            .any(|(_, methods)| methods.contains(&call.method))
        {
            return Err(missing());
        }
        if group.waiting.len() >= CALLS_WAITING {
            group.waiting.retain(|one| one.until > now);
        }
        if group.waiting.len() >= CALLS_WAITING {
            return Err(CallError::Busy {
                group: name,
                limit: CALLS_WAITING,
            });
        }
        let (sender, receiver) = oneshot::channel();
        self.asking.insert(id, sender);
        group.waiting.push_back(Waiting { id, call, until });
        Ok(receiver)
    }

    /// Nobody waits for the answer any more.
    pub(super) fn withdraw(&mut self, id: CallId, name: &MethodGroup) {
        self.asking.remove(&id);
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        group.waiting.retain(|one| one.id != id);
        if let Some((_, cancelled)) = group.running.get(&id) {
            cancelled.cancel();
        }
        self.settle(name);
    }

    pub(super) fn serve(&mut self, worker: &WorkerId, service: &Service, until: u64, now: u64) {
        let group = self.groups.entry(service.group.clone()).or_default();
        group.expire(now);
        group
            .workers
            .insert(worker.clone(), (until, service.methods.clone()));
        if let Some((_, holder, end)) = &mut group.turn
            && holder == worker
        {
            *end = until;
        }
    }

    pub(super) fn retire(&mut self, worker: &WorkerId, name: &MethodGroup) {
        if let Some(group) = self.groups.get_mut(name) {
            group.workers.remove(worker);
        }
        self.settle(name);
    }

    pub(super) fn take(
        &mut self,
        worker: &WorkerId,
        service: &Service,
        limit: usize,
        until: u64,
        now: u64,
    ) -> Vec<Taken> {
        let Some(group) = self.groups.get_mut(&service.group) else {
            return Vec::new();
        };
        group.expire(now);
        if service.serial && group.turn.is_some() {
            return Vec::new();
        }
        let limit = limit.min(if service.serial { 1 } else { TAKE_LIMIT });
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(Waiting { id, call, until: end }) = group.waiting.pop_front() else {
                break;
            };
            if end <= now {
                continue;
            }
            let cancelled = CancellationToken::new();
            group.running.insert(id, (end, cancelled.clone()));
            if service.serial {
                group.turn = Some((id, worker.clone(), until));
            }
            taken.push(Taken {
                ticket: Ticket {
                    id,
                    group: service.group.clone(),
                    worker: worker.clone(),
                    serial: service.serial,
                    from: "".into(),
                },
                method: call.method,
                data: call.data,
                caller: call.caller,
                left: Duration::from_millis(end - now),
                cancelled,
            });
        }
        taken
    }

    /// Whether there is something to take, and if not, when that may change by itself.
    pub(super) fn look(&mut self, service: &Service, now: u64) -> Result<(), Option<u64>> {
        let Some(group) = self.groups.get_mut(&service.group) else {
            return Err(None);
        };
        group.expire(now);
        match &group.turn {
            _ if group.waiting.is_empty() => Err(None),
            Some((_, _, until)) if service.serial => Err(Some(*until)),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self, ticket: &Ticket, outcome: Outcome) {
        if let Some(group) = self.groups.get_mut(&ticket.group) {
            group.running.remove(&ticket.id);
            group.turn.take_if(|(id, _, _)| *id == ticket.id);
        }
        self.settle(&ticket.group);
        if let Some(asker) = self.asking.remove(&ticket.id) {
            // It may have left.
            let _ = asker.send(outcome);
        }
    }

    fn settle(&mut self, name: &MethodGroup) {
        if self.groups.get(name).is_some_and(Group::is_idle) {
            self.groups.remove(name);
        }
    }
}
