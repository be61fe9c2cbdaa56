//! What a connection has under way: the one place where a session's wishes meet hub and backend.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_shared::broker::{BrokerError, Draft, From};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::{JobDraft, JobError, JobId, JobRecord, JobState, Submitted};
use tidegate_shared::position::Since;
use tidegate_shared::publication::{Publication, Snapshot};
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::Kind;
use tokio::time::Instant;

use super::calling;
use super::membership::{left, unknown};
use crate::calls::Asker;
use crate::dialect::{Failure, Reply, RequestId, Roll};
use crate::hub::Standing;
use crate::identity::{Identity, LoginError, TokenError};
use crate::node::Node;
use crate::outbox::Outbox;
use crate::permission::Own;
use crate::presence::{Attendance, roll};
use crate::session::{Operation, Outcome, Ticket, Work};
use crate::steps;

type Running = Pin<Box<dyn Future<Output = (Ticket, Outcome)> + Send>>;

/// Few at any time: the session bounds them. Takes no memory while there are none.
#[derive(Default)]
pub(super) struct Operations {
    running: Vec<Running>,
}

impl Operations {
    pub(super) fn start(&mut self, operation: Operation, node: &Arc<Node>, outbox: &Arc<Outbox>) {
        self.running.push(begin(operation, node.clone(), outbox.clone()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The next one that has ended. Pending if there is none.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<(Ticket, Outcome)> {
        for index in 0..self.running.len() {
            if let Poll::Ready(done) = self.running[index].as_mut().poll(cx) {
                // The others keep their order: what was asked first is asked first at the backend too.
                drop(self.running.remove(index));
                if self.running.is_empty() {
                    self.running = Vec::new();
                }
                return Poll::Ready(done);
            }
        }
        Poll::Pending
    }
}

/// Each kind has room for what it needs itself, and those of which there are most need little.
fn begin(operation: Operation, node: Arc<Node>, outbox: Arc<Outbox>) -> Running {
    let Operation { ticket, work } = operation;
    match work {
        Work::Publish { topic, draft, quiet } => boxed(ticket, async move {
            let exclude = quiet.then(|| outbox.session());
            Outcome::Replied(match may_publish(&node, &outbox, &topic) {
                Ok(()) => publish(&node, &topic, Draft { exclude, ..draft }).await,
                Err(failure) => Reply::Failed(failure),
            })
        }),
        Work::Join {
            topic,
            since,
            announced,
            lists,
            only,
        } => {
            let id = ticket.id.clone();
            boxed(ticket, async move {
                let reply = |standing: Standing| announced_if(announced, subscribed(&topic, standing));
                let roll = lists.then_some(&node.attendance);
                let asked = (&topic, since, id.as_ref());
                Outcome::Joined(join(&node, &outbox, asked, only, roll, reply).await)
            })
        }
        Work::Part { topic, announced } => boxed(ticket, async move {
            node.attendance.gone(&topic, outbox.session()).await;
            Outcome::Replied(announced_if(announced, Reply::Unsubscribed { topic }))
        }),
        Work::Presence { topic, limit } => boxed(ticket, async move {
            let roll = present(&node, &topic, limit, outbox.limit() / 2).await;
            Outcome::Replied(match roll {
                Ok(roll) => Reply::Presence { topic, roll },
                Err(error) => Reply::Failed(error.into()),
            })
        }),
        Work::History {
            topic,
            from,
            limit,
            only,
        } => boxed(ticket, async move {
            Outcome::Replied(match check_own(&node, only).await {
                Ok(()) => history(&node, &topic, from, limit, outbox.limit() / 2).await,
                Err(failure) => Reply::Failed(failure),
            })
        }),
        Work::Cancel { job, only } => boxed(ticket, async move {
            Outcome::Replied(match cancel(&node, &job, only).await {
                Ok(job) => Reply::Cancel { job: Box::new(job) },
                Err(failure) => Reply::Failed(failure),
            })
        }),
        Work::Verify { token } => boxed(ticket, async move { verified(&node, &token).await }),
        Work::Login { user, password } => boxed(ticket, async move {
            let from = node.address(outbox.session());
            let identity = node.users.check(&user, &password, from).await;
            let failed = |error: LoginError| Failure::new(error.code(), error.to_string());
            Outcome::LoggedIn(identity.map(Arc::new).map_err(failed))
        }),
        Work::Call { call } => boxed(ticket, async move {
            Outcome::Replied(calling::call(&node, &outbox, *call).await)
        }),
        Work::Submit { draft, follow } => boxed(ticket, async move {
            let job = draft.id.clone();
            let result = submit(&node, *draft).await;
            Outcome::Submitted { job, result, follow }
        }),
        Work::Job { topic, since } => boxed(ticket, async move {
            let reply = |standing: Standing| announced_if(true, subscribed(&topic, standing));
            let joined = node.hub.join(&outbox, &topic, since, None, None, reply).await;
            let joined = joined.inspect_err(|failure| {
                tracing::debug!(%topic, message = failure.message, "a user's job cannot be followed");
            });
            Outcome::Job {
                joined: joined.is_ok(),
            }
        }),
        Work::Follow {
            topic,
            since,
            submitted,
        } => {
            let id = ticket.id.clone();
            boxed(ticket, async move {
                let reply = |standing: Standing| as_of(&submitted, standing);
                let joined = node
                    .hub
                    .join(&outbox, &topic, Some(since), id.as_ref(), None, reply)
                    .await;
                Outcome::Followed { joined, submitted }
            })
        }
    }
}

async fn join(
    node: &Node,
    outbox: &Arc<Outbox>,
    (topic, since, id): (&Topic, Option<Since>, Option<&RequestId>),
    only: Option<Box<Own>>,
    roll: Option<&Arc<Attendance>>,
    reply: impl Fn(Standing) -> Reply,
) -> Result<(), Failure> {
    if only.is_some() {
        Box::pin(check_own(node, only)).await?;
    }
    // First on the list, then subscribed: so the list that the reply has is complete, and who hears of the joining may
    // answer.
    let seat = node.take_seat(outbox, topic).await?;
    node.hub.join(outbox, topic, since, id, roll, reply).await?;
    if let Some(seat) = seat {
        seat.stay();
    }
    Ok(())
}

fn boxed(ticket: Ticket, outcome: impl Future<Output = Outcome> + Send + 'static) -> Running {
    Box::pin(async move { (ticket, outcome.await) })
}

fn subscribed(topic: &Topic, standing: Standing) -> Reply {
    Reply::Subscribed {
        topic: topic.clone(),
        position: standing.position,
        recovered: standing.recovered,
        snapshot: standing.snapshot,
        roll: standing.roll,
    }
}

async fn verified(node: &Node, token: &str) -> Outcome {
    let verified = verify(node, token).await;
    let left = verified.as_ref().ok().and_then(|identity| left(node, identity));
    Outcome::Verified {
        ends: left.map(|left| (Instant::now(), left)),
        verified: verified.map(Arc::new),
    }
}

async fn verify(node: &Node, token: &str) -> Result<Identity, Failure> {
    let Some(tokens) = &node.tokens else {
        return Err(unknown(&TokenError::Key));
    };
    tokens.verify_anew(token).await.map_err(|error| unknown(&error))
}

/// Whether its client has not published too much of late.
fn may_publish(node: &Node, outbox: &Outbox, topic: &Topic) -> Result<(), Failure> {
    let namespace = node.config.namespaces.of(topic);
    if namespace.publishes_per_second == 0 {
        return Ok(());
    }
    let session = outbox.session();
    let user = node.identity(session).map(|identity| identity.user.clone());
    let asker = Asker::new(user, session);
    node.publishing.check(asker, namespace, Instant::now())
}

async fn submit(node: &Node, mut draft: JobDraft) -> Result<Box<Submitted>, Failure> {
    let limit = node.config.limits.jobs_per_user;
    if let Some(user) = &draft.user
        && limit > 0
    {
        let listed = node.backend.desk.of_user(user).await;
        if listed.map_err(|error| refused(&error))?.len() >= limit {
            let message =
                format!("{limit} of your jobs have not ended (limits.jobs_per_user): wait for one of them");
            return Err(Failure::new(ErrorCode::TooManyRequests, message));
        }
    }
    let span = node.tracer.follow("submit", Kind::Producer, draft.trace);
    let _span = steps::submit(span, &mut draft);
    let submitted = node.submit(draft).await;
    submitted.map(Box::new).map_err(|error| refused(&error))
}

/// As a step of the trace that it belongs to.
async fn publish(node: &Node, topic: &Topic, mut draft: Draft) -> Reply {
    let span = node.tracer.follow("publish", Kind::Producer, draft.trace);
    let span = steps::publish(span, topic, &mut draft);
    match node.backend.broker.publish(topic, draft).await {
        Ok(published) => Reply::Published {
            position: published.position,
        },
        Err(error) => {
            let failure = Failure::from(error);
            if let Some(mut span) = span {
                span.failed(&failure.code);
            }
            Reply::Failed(failure)
        }
    }
}

async fn cancel(node: &Node, job: &JobId, only: Option<Box<Own>>) -> Result<JobRecord, Failure> {
    check_own(node, only).await?;
    let cancelled = node.backend.jobs.cancel(job).await;
    cancelled.map_err(|error| refused(&error)).and_then(wanted)
}

/// Whether a job that is for its user alone is this client's. A job that does not exist is nobody's.
pub(crate) async fn check_own(node: &Node, only: Option<Box<Own>>) -> Result<(), Failure> {
    let Some(own) = only else { return Ok(()) };
    match node.backend.jobs.get(&own.job).await {
        Ok(record) if record.user.as_ref() == Some(&own.user) => Ok(()),
        Ok(_) | Err(JobError::NotFound(_)) => Err(own.denied),
        Err(error) => Err(refused(&error)),
    }
}

/// What the server does by itself is told, not answered.
fn announced_if(announced: bool, reply: Reply) -> Reply {
    if announced {
        Reply::Announced(Box::new(reply))
    } else {
        reply
    }
}

/// At most `limit` members, in at most `budget` bytes, so that one answer does not fill the outbox.
pub(crate) async fn present(
    node: &Node,
    topic: &Topic,
    limit: usize,
    budget: usize,
) -> Result<Roll, BrokerError> {
    if limit == 0 {
        return Ok(Roll {
            count: node.attendance.count(topic).await?,
            members: Arc::new([]),
            told: 0,
        });
    }
    Ok(roll(&node.attendance.members(topic).await?, limit, budget))
}

/// The reply to a submit whose follower begins at `standing`. Nearly always where the submit was; if the
/// log does not lead on from there, where the job is now.
fn as_of(submitted: &Reply, standing: Standing) -> Reply {
    let mut reply = submitted.clone();
    if standing.recovered == Some(false)
        && let Reply::Submitted { job, position, .. } = &mut reply
        && let (Some(now), Some(Snapshot::Job(record))) = (standing.position, standing.snapshot)
        && let Some(record) = JobRecord::from_json(&record)
    {
        **job = record;
        *position = now;
    }
    reply
}

/// What was to be cancelled, unless it has ended otherwise.
pub(crate) fn wanted(job: JobRecord) -> Result<JobRecord, Failure> {
    if job.state.is_terminal() && job.state != JobState::Cancelled {
        let message = format!("job {} cannot be cancelled: it has {}", job.id, job.state);
        return Err(Failure::new(ErrorCode::Conflict, message));
    }
    Ok(job)
}

fn refused(error: &JobError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// At most `budget` bytes of publications, so that one answer does not fill the outbox.
pub(crate) async fn history(node: &Node, topic: &Topic, from: From, limit: usize, budget: usize) -> Reply {
    let mut page = match node.backend.broker.read(topic, from, limit).await {
        Ok(page) => page,
        Err(error) => return Reply::Failed(error.into()),
    };
    let mut left = budget;
    let mut fits = |size: usize| {
        let fitting = size <= left;
        left = left.saturating_sub(size);
        fitting
    };
    let size = |publication: &Arc<Publication>| publication.size();
    match from {
        From::After(_) => {
            let count = page.publications.iter().take_while(|one| fits(size(one))).count();
            page.publications.truncate(count);
        }
        // The newest ones are wanted.
        From::Newest | From::Now => {
            let count = page
                .publications
                .iter()
                .rev()
                .take_while(|one| fits(size(one)))
                .count();
            page.publications.drain(..page.publications.len() - count);
        }
    }
    let asked = matches!(from, From::After(_));
    Reply::History {
        position: page.top,
        publications: page.publications,
        complete: page.lost.is_none() && (page.top.is_some() || !asked),
    }
}
