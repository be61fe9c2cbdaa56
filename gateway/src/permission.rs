//! Who may do what: the rules of namespaces and jobs, for clients. `/api` and what the server does by itself
//! ask nobody.
//!
//! Pure. What is refused is told in the same words whether it exists or not; where only a job's user may,
//! whose it is has to be looked up, and [`Verdict::IfOwn`] says so.

use std::fmt;

use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::Config;
use tidegate_shared::job::JobId;
use tidegate_shared::name::{MethodName, QueueName, UserId};
use tidegate_shared::namespace::Access;
use tidegate_shared::topic::{Reserved, Topic};

use crate::dialect::Failure;
use crate::identity::{Grants, Identity};

/// What a client wants to do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Subscribe,
    Publish,
    /// And remove.
    Set,
    History,
    SeePresence,
}

/// Of who may, as far as that can be told without looking a job up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    Yes,
    /// If the job is this user's; if not, or if there is none, the failure is to be told.
    IfOwn(Box<Own>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) job: JobId,
    pub(crate) user: UserId,
    pub(crate) denied: Failure,
}

/// Whether the client `who` (absent: anonymous) may do so.
pub(crate) fn on_topic(
    config: &Config,
    who: Option<&Identity>,
    act: Act,
    topic: &Topic,
) -> Result<Verdict, Failure> {
    match topic.reserved() {
        Some(Reserved::User(owner)) => inbox(&owner, who).map(|()| Verdict::Yes),
        Some(Reserved::Job(job)) => follow(config, who, &job),
        Some(Reserved::Jobs(_) | Reserved::Nothing) => {
            let owner = |_: &UserId| false;
            let rule = Rule::of_jobs("follow", config.jobs.follow);
            check(&rule, who, owner, |grants| grants.subscribe.allow(topic.as_str()))
                .then_some(Verdict::Yes)
                .ok_or_else(|| rule.denied("follow", &format_args!("topic {topic}")))
        }
        None => {
            let namespace = config.namespaces.of(topic);
            let (verb, key, access) = match act {
                Act::Subscribe => ("subscribe to", "subscribe", namespace.subscribe),
                Act::Publish => ("publish to", "publish", namespace.publish),
                Act::Set => ("set keys of", "set", namespace.set),
                Act::History => ("read the history of", "history", namespace.history),
                Act::SeePresence => ("see who is present on", "see_presence", namespace.see_presence),
            };
            let rule = Rule {
                of: "of its namespace",
                key,
                access,
            };
            let owner = |user: &UserId| topic.as_str().rsplit(':').next() == Some(user.as_str());
            let granted = |grants: &Grants| match act {
                Act::Publish | Act::Set => grants.publish.allow(topic.as_str()),
                Act::Subscribe | Act::History | Act::SeePresence => grants.subscribe.allow(topic.as_str()),
            };
            check(&rule, who, owner, granted)
                .then_some(Verdict::Yes)
                .ok_or_else(|| rule.denied(verb, &format_args!("topic {topic}")))
        }
    }
}

/// An inbox is its user's alone.
fn inbox(owner: &UserId, who: Option<&Identity>) -> Result<(), Failure> {
    if who.is_some_and(|identity| identity.user == *owner) {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::Forbidden,
        format!("topic user:{owner} is the inbox of that user alone"),
    ))
}

pub(crate) fn follow(config: &Config, who: Option<&Identity>, job: &JobId) -> Result<Verdict, Failure> {
    let rule = Rule::of_jobs("follow", config.jobs.follow);
    on_job(&rule, who, job, |grants| {
        grants.subscribe.allow(Topic::of_job(job).as_str())
    })
}

pub(crate) fn cancel(config: &Config, who: Option<&Identity>, job: &JobId) -> Result<Verdict, Failure> {
    let rule = Rule::of_jobs("cancel", config.jobs.cancel);
    on_job(&rule, who, job, |grants| {
        grants.publish.allow(Topic::of_job(job).as_str())
    })
}

fn on_job(
    rule: &Rule,
    who: Option<&Identity>,
    job: &JobId,
    granted: impl FnOnce(&Grants) -> bool,
) -> Result<Verdict, Failure> {
    let denied = || rule.denied(rule.key, &format_args!("job {job}"));
    match (rule.access, who) {
        (Access::Owner, Some(identity)) => Ok(Verdict::IfOwn(Box::new(Own {
            job: job.clone(),
            user: identity.user.clone(),
            denied: denied(),
        }))),
        _ if check(rule, who, |_| false, granted) => Ok(Verdict::Yes),
        _ => Err(denied()),
    }
}

/// A job belongs to who submits it, so `owner` is any user here.
pub(crate) fn submit(config: &Config, who: Option<&Identity>, queue: &QueueName) -> Result<(), Failure> {
    let rule = Rule::of_jobs("submit", config.jobs.submit);
    let granted = |grants: &Grants| grants.publish.allow(Topic::of_queue(queue).as_str());
    if check(&rule, who, |_| true, granted) {
        return Ok(());
    }
    Err(rule.denied("submit jobs to", &format_args!("queue {queue}")))
}

/// In tokens a method is the topic `call:` and its name. `owner` is any user, as with jobs.
pub(crate) fn call(config: &Config, who: Option<&Identity>, method: &MethodName) -> Result<(), Failure> {
    let rule = Rule::of_jobs("call", config.jobs.call);
    let granted = |grants: &Grants| grants.publish.allow(&format!("call:{method}"));
    if check(&rule, who, |_| true, granted) {
        return Ok(());
    }
    Err(rule.denied("call", &format_args!("method {method}")))
}

/// Whether a client that may follow its own jobs, or others', may see this one, which it was given for an
/// idempotency key.
pub(crate) fn sees(config: &Config, who: Option<&Identity>, job: &JobId, user: Option<&UserId>) -> bool {
    match follow(config, who, job) {
        Ok(Verdict::Yes) => true,
        Ok(Verdict::IfOwn(own)) => user == Some(&own.user),
        // It may not follow any job; this one is its own all the same, or nobody's as it is.
        Err(_) => user == who.map(|identity| &identity.user),
    }
}

struct Rule {
    of: &'static str,
    key: &'static str,
    access: Access,
}

impl Rule {
    fn of_jobs(key: &'static str, access: Access) -> Self {
        Self {
            of: "of [jobs]",
            key,
            access,
        }
    }

    fn denied(&self, verb: &str, what: &dyn fmt::Display) -> Failure {
        let Self { of, key, access } = self;
        let access = access.name();
        Failure::new(
            ErrorCode::Forbidden,
            format!("this client may not {verb} {what}: `{key}` {of} is \"{access}\""),
        )
    }
}

fn check(
    rule: &Rule,
    who: Option<&Identity>,
    is_owner: impl FnOnce(&UserId) -> bool,
    granted: impl FnOnce(&Grants) -> bool,
) -> bool {
    match (rule.access, who) {
        (Access::Anyone, _) | (Access::Users, Some(_)) => true,
        (Access::Owner, Some(identity)) => is_owner(&identity.user),
        (Access::Token, Some(identity)) => identity.grants.as_deref().is_some_and(granted),
        (Access::Users | Access::Owner | Access::Token, None) | (Access::Nobody, _) => false,
    }
}

#[cfg(test)]
mod tests;
