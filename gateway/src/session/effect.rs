//! What a session wants done, and what it is told when it is done.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::broker::{Draft, From};
use tidegate_shared::code::CloseCode;
use tidegate_shared::config::Secret;
use tidegate_shared::job::{JobDraft, JobId, Submitted};
use tidegate_shared::position::Since;
use tidegate_shared::topic::Topic;
use tokio::time::Instant;

use crate::dialect::{CallRequest, Failure, Goodbye, Reply, RequestId};
use crate::identity::Identity;
use crate::permission::Own;

#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Answer a command.
    Reply {
        action: &'static str,
        id: Option<RequestId>,
        reply: Reply,
    },
    /// A command has been answered elsewhere; only to be counted.
    Answered { action: &'static str },
    /// Tell the client of a failure that answers no command.
    Tell(Option<Topic>, Failure),
    /// Check the token; hand what it says to [`Session::on_verified`](super::Session::on_verified).
    Verify { id: Option<RequestId>, token: Box<str> },
    /// The client's name is known from now on.
    Identified(Arc<Identity>),
    /// The client hears what has this name from now on, or no longer.
    Choose { name: Box<str>, chosen: bool },
    /// Run this; hand its outcome to [`Session::on_done`](super::Session::on_done).
    Start(Box<Operation>),
    /// End the subscription to this topic.
    Leave(Topic),
    /// Send a ping.
    Ping,
    /// Send what waits, then close.
    Close(CloseCode),
    /// Send what waits, tell the client to come back, then close.
    SendAway(CloseCode, Goodbye),
    /// Nobody is there any more.
    Abandon,
}

impl Effect {
    pub(super) fn reply(action: &'static str, id: Option<RequestId>, reply: Reply) -> Self {
        Self::Reply { action, id, reply }
    }
}

/// Something that takes time.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) ticket: Ticket,
    pub(crate) work: Work,
}

/// Only for tests, which compare effects: operations are told apart by what they answer.
impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.ticket == other.ticket
    }
}

/// The command that an operation belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticket {
    pub(crate) id: Option<RequestId>,
    pub(crate) action: &'static str,
    /// Whose lane it is in.
    pub(crate) topic: Option<Topic>,
}

#[derive(Debug)]
pub(crate) enum Work {
    /// Subscribe, and put the reply and what was missed into the outbox.
    Join {
        topic: Topic,
        since: Option<Since>,
        /// Nobody asked for it, so the reply is told without an id.
        announced: bool,
        /// The reply says who is present.
        lists: bool,
        /// Of a job, if it is this client's.
        only: Option<Box<Own>>,
    },
    /// Wait until the session, which has left, is off the topic's presence list.
    Part {
        topic: Topic,
        announced: bool,
    },
    Publish {
        topic: Topic,
        draft: Draft,
        /// This session does not hear it.
        quiet: bool,
    },
    /// Ask who is present.
    Presence {
        topic: Topic,
        /// Most members to be told; 0: only how many there are.
        limit: usize,
    },
    History {
        topic: Topic,
        from: From,
        limit: usize,
        only: Option<Box<Own>>,
    },
    Cancel {
        job: JobId,
        only: Option<Box<Own>>,
    },
    /// Check a token whose key has to be asked for.
    Verify {
        token: Box<str>,
    },
    /// Find out whether the password is the user's.
    Login {
        user: Box<str>,
        password: Secret,
    },
    Call {
        call: Box<CallRequest>,
    },
    Submit {
        draft: Box<JobDraft>,
        follow: bool,
    },
    /// Subscribe to the topic of a job of the session's user, and announce it.
    Job {
        topic: Topic,
        since: Option<Since>,
    },
    /// Subscribe to the topic of a job that was submitted, and put `submitted` into the outbox before
    /// what follows.
    Follow {
        topic: Topic,
        since: Since,
        submitted: Reply,
    },
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Replied(Reply),
    /// The reply is on its way if it went well.
    Joined(Result<(), Failure>),
    Followed {
        joined: Result<(), Failure>,
        submitted: Reply,
    },
    LoggedIn(Result<Arc<Identity>, Failure>),
    /// Of [`Work::Verify`]. The token counts from then for so long.
    Verified {
        verified: Result<Arc<Identity>, Failure>,
        ends: Option<(Instant, Duration)>,
    },
    /// Of [`Work::Job`].
    Job {
        joined: bool,
    },
    Submitted {
        /// As the draft had it.
        job: JobId,
        result: Result<Box<Submitted>, Failure>,
        follow: bool,
    },
}
