//! What is refused before anybody else is asked.

use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::Config;
use tidegate_shared::json::RawJson;
use tidegate_shared::topic::{Reserved, Topic};

use crate::dialect::{CallRequest, Command, Failure, JobRequest};
use crate::identity::Identity;
use crate::permission::{self, Act, Own, Verdict};

/// Whose job it must be, if that has to be looked up. `who`: the client; a `trusted` one may do everything.
pub(super) fn command(
    config: &Config,
    trusted: bool,
    who: Option<&Identity>,
    topic: &Topic,
    command: &Command,
) -> Result<Option<Box<Own>>, Failure> {
    let may = |act| {
        if trusted {
            return Ok(None);
        }
        permission::on_topic(config, who, act, topic).map(own)
    };
    match command {
        Command::Publish { data, .. } => {
            publish(topic)?;
            may(Act::Publish)?;
            payload("data", data, config.namespaces.of(topic).max_data, config)?;
            Ok(None)
        }
        Command::Set { value, .. } => {
            publish(topic)?;
            may(Act::Set)?;
            payload("value", value, config.namespaces.of(topic).max_data, config)?;
            Ok(None)
        }
        Command::Remove { .. } => {
            publish(topic)?;
            may(Act::Set)
        }
        Command::Presence { .. } => {
            may(Act::SeePresence)?;
            presence(config, topic).map(|()| None)
        }
        Command::Subscribe { presence: lists, .. } => {
            let only = may(Act::Subscribe)?;
            exists(topic)?;
            if *lists {
                may(Act::SeePresence)?;
                presence(config, topic)?;
            }
            Ok(only)
        }
        Command::History { .. } => {
            let only = may(Act::History)?;
            exists(topic)?;
            Ok(only)
        }
        Command::Unsubscribe { .. }
        | Command::Submit(_)
        | Command::Call(_)
        | Command::Cancel { .. }
        | Command::Auth { .. }
        | Command::Login { .. }
        | Command::Choose { .. }
        | Command::Ping => Ok(None),
    }
}

pub(super) fn own(verdict: Verdict) -> Option<Box<Own>> {
    match verdict {
        Verdict::Yes => None,
        Verdict::IfOwn(own) => Some(own),
    }
}

pub(super) fn job(config: &Config, job: &JobRequest) -> Result<(), Failure> {
    payload("job.data", &job.data, config.limits.data, config)
}

pub(super) fn call(
    config: &Config,
    trusted: bool,
    who: Option<&Identity>,
    call: &CallRequest,
) -> Result<(), Failure> {
    if !trusted {
        permission::call(config, who, &call.method)?;
    }
    payload("data", &call.data, config.limits.data, config)
}

/// The failure to tell when a job was submitted and its updates cannot be had.
pub(super) fn not_followed(failure: &Failure) -> Failure {
    Failure::new(
        failure.code,
        format!(
            "the job was submitted but cannot be followed: {}; subscribe to its topic, with its position as `since`",
            failure.message
        ),
    )
}

/// Presence is kept only where the namespace says so.
pub(crate) fn presence(config: &Config, topic: &Topic) -> Result<(), Failure> {
    if config.namespaces.of(topic).presence {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::Forbidden,
        format!("the namespace of topic {topic} keeps no presence: set `presence = true` for it"),
    ))
}

/// Whether there can be such a topic.
fn exists(topic: &Topic) -> Result<(), Failure> {
    match topic.reserved() {
        Some(Reserved::Nothing) => Err(Failure::new(
            ErrorCode::UnknownTopic,
            format!("topic {topic} names nothing that can exist"),
        )),
        _ => Ok(()),
    }
}

fn publish(topic: &Topic) -> Result<(), Failure> {
    if topic.reserved().is_none() {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::Forbidden,
        format!(
            "clients cannot publish to {topic}: the namespaces `job`, `jobs` and `user` are the server's"
        ),
    ))
}

fn payload(field: &str, data: &RawJson, limit: usize, config: &Config) -> Result<(), Failure> {
    let size = data.size();
    if size > limit {
        return Err(Failure::new(
            ErrorCode::PayloadTooLarge,
            format!("`{field}` has {size} bytes, at most {limit} are allowed"),
        ));
    }
    let most = config.limits.depth;
    // No text is deeper than it is long.
    if size > most && data.depth() > most {
        return Err(Failure::new(
            ErrorCode::BadRequest,
            format!("`{field}` has more than {most} lists and objects within each other (limits.depth)"),
        ));
    }
    Ok(())
}
