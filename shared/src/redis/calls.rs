//! [`Calls`] on Redis. A call waits in its group's list; the answer is published on a channel that only the
//! asking node hears.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{KeysInterface, PubsubInterface};
use fred::types::Value;
use serde::{Deserialize, Serialize};

use super::answers::{self, Answers};
use super::broker::{milliseconds, text};
use super::commands::{CallError as Trouble, Commands};
use super::keys::Keys;
use super::scripts::Script;
use super::spelling::count;
use super::wake::{Outlook, Wakers};
use crate::broker::Link;
use crate::call::{
    Answer, CALL_TIMEOUT_LIMIT, CALLS_WAITING, CallDraft, CallError, CallFailure, CallId, Caller, Calls,
    Service, TAKE_LIMIT, Taken, Ticket,
};
use crate::job::Promoted;
use crate::json::RawJson;
use crate::name::{MethodGroup, MethodName, WorkerId};

/// How long the lists of a group outlive their last change; longer than any call.
const KEEP: Duration = Duration::from_secs(120);
/// Nothing is known of what waits.
const NOTHING: Outlook = Outlook {
    promoted: Promoted { jobs: 0, next: None },
    has_work: false,
};
/// Digits of a time in milliseconds.
const TIME: usize = 13;

pub(super) struct RedisCalls {
    pub(super) commands: Arc<Commands>,
    pub(super) keys: Keys,
    pub(super) wakers: Arc<Wakers>,
    pub(super) answers: Arc<Answers>,
    /// This node, for as long as the backend lives.
    pub(super) node: Arc<str>,
    pub(super) _closer: super::Closer,
}

impl From<Trouble> for CallError {
    fn from(error: Trouble) -> Self {
        match error {
            Trouble::Unavailable(why) => Self::Unavailable(why),
            Trouble::Internal(what) => Self::Internal(what),
        }
    }
}

/// A call as it stands in its list, behind its id and the end of its time.
#[derive(Serialize, Deserialize)]
struct Written {
    from: Box<str>,
    method: MethodName,
    data: RawJson,
    caller: Caller,
}

/// A call that waits for its answer. Withdraws it when it is dropped before.
struct Asking<'a> {
    calls: &'a RedisCalls,
    id: CallId,
    group: MethodGroup,
    /// The call as it stands in its list, once it does.
    entry: Option<Bytes>,
    answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.calls.answers.forget(self.id);
        if let Some(entry) = self.entry.take()
            && !self.answered
        {
            let (commands, keys) = (self.calls.commands.clone(), self.calls.keys.clone());
            tokio::spawn(withdraw(commands, keys, self.group.clone(), self.id, entry));
        }
    }
}

/// What fails here is over when the time of the call is.
async fn withdraw(commands: Arc<Commands>, keys: Keys, group: MethodGroup, id: CallId, entry: Bytes) {
    let slot = keys.calls(&group);
    let names = vec![slot.waiting(), slot.running(id)];
    let taken = commands.run(Script::Withdraw, &slot.tag, names, vec![Value::Bytes(entry)]);
    if let Ok(taken) = taken.await
        && let Some(node) = taken.as_string()
    {
        let _ = tell(&commands, &keys, &node, answers::cancel(id)).await;
    }
}

/// Tells one node something about a call.
async fn tell(commands: &Commands, keys: &Keys, node: &str, message: Bytes) -> Result<(), Trouble> {
    let (tag, channel) = keys.answers(node);
    commands
        .call("spublish", &tag, |client| {
            let (channel, message) = (channel.clone(), Value::Bytes(message.clone()));
            async move { client.spublish::<(), _, _>(channel, message).await }
        })
        .await
}

impl RedisCalls {
    async fn ask(&self, asking: &mut Asking<'_>, call: CallDraft, after: Duration) -> Result<(), CallError> {
        // An answer could not be heard.
        if *self.commands.link.subscribe().borrow() != Link::Up {
            return Err(CallError::Unavailable(self.commands.link.why_not()));
        }
        let slot = self.keys.calls(&asking.group);
        let written = Written {
            from: (&*self.node).into(),
            method: call.method.clone(),
            data: call.data,
            caller: call.caller,
        };
        let rest = serde_json::to_string(&written).map_err(|error| CallError::Internal(error.to_string()))?;
        let id = asking.id.to_string();
        let names = vec![slot.waiting(), slot.bell().key, slot.methods()];
        let arguments = vec![
            text(call.method.as_str()),
            text(&id),
            milliseconds(after),
            text(&rest),
            count(CALLS_WAITING),
            milliseconds(KEEP),
        ];
        match self
            .commands
            .run(Script::Ask, &slot.tag, names, arguments)
            .await?
            .as_i64()
        {
            Some(-1) => Err(CallError::NoWorker(call.method)),
            Some(-2) => Err(CallError::Busy {
                group: asking.group.clone(),
                limit: CALLS_WAITING,
            }),
            Some(ends) => {
                asking.entry = Some(format!("{id}{ends}{rest}").into());
                Ok(())
            }
            None => Err(Trouble::unexpected("no answer to a call").into()),
        }
    }

    fn taken(&self, worker: &WorkerId, service: &Service, now: u64, entry: &[u8]) -> Option<Taken> {
        let (id, entry) = entry.split_at_checked(CallId::LENGTH)?;
        let (ends, rest) = entry.split_at_checked(TIME)?;
        let id = CallId::parse(std::str::from_utf8(id).ok()?)?;
        let ends: u64 = std::str::from_utf8(ends).ok()?.parse().ok()?;
        let written: Written = serde_json::from_slice(rest).ok()?;
        Some(Taken {
            ticket: Ticket {
                id,
                group: service.group.clone(),
                worker: worker.clone(),
                serial: service.serial,
                from: written.from,
            },
            method: written.method,
            data: written.data,
            caller: written.caller,
            left: Duration::from_millis(ends.saturating_sub(now)),
            cancelled: self.answers.run(id),
        })
    }

    /// The call is over; the next one of a serial group may begin.
    async fn forget(&self, ticket: &Ticket) -> Result<(), Trouble> {
        let slot = self.keys.calls(&ticket.group);
        let running = slot.running(ticket.id);
        if !ticket.serial {
            let call = |client: Client| {
                let running = running.clone();
                async move { client.del::<(), _>(running).await }
            };
            return self.commands.call("del", &slot.tag, call).await;
        }
        let names = vec![running, slot.turn(), slot.waiting(), slot.bell().key];
        let turn = format!("{} {}", ticket.worker, ticket.id);
        let arguments = vec![text(&turn), milliseconds(KEEP)];
        self.commands
            .run(Script::Answered, &slot.tag, names, arguments)
            .await?;
        Ok(())
    }

    /// What there is for a worker.
    async fn look(&self, service: &Service) -> Result<Outlook, Trouble> {
        let slot = self.keys.calls(&service.group);
        let names = vec![slot.waiting(), slot.turn()];
        let answer = self
            .commands
            .run(Script::Calling, &slot.tag, names, Vec::new())
            .await?;
        let parts: Vec<Option<i64>> = answer.into_array().iter().map(Value::as_i64).collect();
        let [Some(has_work), Some(next)] = parts[..] else {
            return Err(Trouble::unexpected("no word of calls"));
        };
        Ok(Outlook {
            promoted: Promoted {
                jobs: 0,
                next: u64::try_from(next).ok().map(Duration::from_millis),
            },
            has_work: has_work > 0,
        })
    }
}

#[async_trait]
impl Calls for RedisCalls {
    async fn call(&self, call: CallDraft) -> Result<Answer, CallError> {
        let (id, method) = (CallId::random(), call.method.clone());
        let after = call.timeout.min(CALL_TIMEOUT_LIMIT);
        let answered = self.answers.ask(id);
        let mut asking = Asking {
            calls: self,
            id,
            group: method.group(),
            entry: None,
            answered: false,
        };
        let outcome = tokio::time::timeout(after, async {
            self.ask(&mut asking, call, after).await?;
            Ok(answered.await)
        })
        .await;
        match outcome {
            Ok(Ok(Ok(outcome))) => {
                asking.answered = true;
                outcome.map_err(CallError::Failed)
            }
            Ok(Err(error)) => Err(error),
            // Nobody can answer it any more.
            Ok(Ok(Err(_))) | Err(_) => Err(CallError::TimedOut { method, after }),
        }
    }

    async fn serve(&self, worker: &WorkerId, service: &Service, ttl: Duration) -> Result<(), CallError> {
        let slot = self.keys.calls(&service.group);
        let names = vec![slot.methods(), slot.workers(), slot.services(), slot.turn()];
        let methods = service.methods.iter().fold(String::new(), |mut all, method| {
            all.push_str(method.as_str());
            all.push(' ');
            all
        });
        let arguments = vec![
            text(worker.as_str()),
            milliseconds(ttl),
            text(&methods),
            milliseconds(ttl.saturating_add(KEEP)),
        ];
        self.commands
            .run(Script::Serve, &slot.tag, names, arguments)
            .await?;
        Ok(())
    }

    async fn retire(&self, worker: &WorkerId, group: &MethodGroup) -> Result<(), CallError> {
        let slot = self.keys.calls(group);
        let names = vec![slot.methods(), slot.workers(), slot.services()];
        let arguments = vec![text(worker.as_str()), milliseconds(KEEP)];
        self.commands
            .run(Script::Retire, &slot.tag, names, arguments)
            .await?;
        Ok(())
    }

    async fn take(
        &self,
        worker: &WorkerId,
        service: &Service,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<Taken>, CallError> {
        let slot = self.keys.calls(&service.group);
        let names = vec![slot.waiting(), slot.turn(), slot.all_running(), slot.bell().key];
        let lease = if service.serial {
            milliseconds(ttl)
        } else {
            Value::Integer(0)
        };
        let arguments = vec![
            text(worker.as_str()),
            text(&self.node),
            count(limit.clamp(1, TAKE_LIMIT)),
            lease,
        ];
        let answer = self
            .commands
            .run(Script::Take, &slot.tag, names, arguments)
            .await?;
        let mut parts = answer.into_array().into_iter();
        let now = parts.next().and_then(|time| time.as_u64());
        let now = now.ok_or_else(|| Trouble::unexpected("calls without a time"))?;
        let entries = parts.filter_map(Value::into_bytes);
        // What others wrote there is nobody's.
        Ok(entries
            .filter_map(|entry| self.taken(worker, service, now, &entry))
            .collect())
    }

    async fn wait(&self, service: &Service, timeout: Duration) -> Result<(), CallError> {
        let bells = [self.keys.calls(&service.group).bell()];
        let is_listening = self.wakers.is_listening(&bells[0]);
        let look = async |_: usize| {
            // Until tokens are listened for, a call may have come and its time be over.
            if service.serial || !is_listening {
                return self.look(service).await;
            }
            // Who waits has just found nothing to take, and for what came since there is a token.
            self.commands.unit(&bells[0].tag).map(|_| NOTHING)
        };
        Ok(self.wakers.wait(&bells, timeout, look).await?)
    }

    async fn finish(&self, ticket: &Ticket, answer: Result<Answer, CallFailure>) -> Result<(), CallError> {
        self.answers.ran(ticket.id);
        // Both at once: who waits for the answer need not wait for the rest.
        let message = answers::answer(ticket.id, answer);
        let told = tell(&self.commands, &self.keys, &ticket.from, message);
        let (told, forgotten) = tokio::join!(told, self.forget(ticket));
        forgotten?;
        Ok(told?)
    }
}
