//! What is refused before anybody else is asked.

use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::Config;
use tidegate_shared::name::UserId;
use tidegate_shared::topic::{Reserved, Topic};

use crate::dialect::{Command, Failure, JobRequest};

pub(super) fn command(
    config: &Config,
    user: Option<&UserId>,
    topic: &Topic,
    command: &Command,
) -> Result<(), Failure> {
    match command {
        Command::Publish { data, .. } => {
            publish(topic)?;
            size("data", data.size(), config.namespaces.of(topic).max_data)
        }
        Command::Set { value, .. } => {
            publish(topic)?;
            size("value", value.size(), config.namespaces.of(topic).max_data)
        }
        Command::Remove { .. } => publish(topic),
        Command::Presence { .. } => presence(config, topic),
        Command::Subscribe { presence: lists, .. } => {
            exists(topic, user)?;
            if *lists { presence(config, topic) } else { Ok(()) }
        }
        Command::History { .. } => exists(topic, user),
        Command::Unsubscribe { .. }
        | Command::Submit(_)
        | Command::Cancel { .. }
        | Command::Auth { .. }
        | Command::Ping => Ok(()),
    }
}

/// An inbox is its user's alone.
pub(crate) fn inbox(owner: &UserId, user: Option<&UserId>) -> Result<(), Failure> {
    if user == Some(owner) {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::Forbidden,
        format!("topic user:{owner} is the inbox of that user alone"),
    ))
}

pub(super) fn job(config: &Config, job: &JobRequest) -> Result<(), Failure> {
    size("job.data", job.data.size(), config.limits.data)
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

/// Whether there can be such a topic for this user.
fn exists(topic: &Topic, user: Option<&UserId>) -> Result<(), Failure> {
    match topic.reserved() {
        Some(Reserved::Nothing) => Err(Failure::new(
            ErrorCode::UnknownTopic,
            format!("topic {topic} names nothing that can exist"),
        )),
        Some(Reserved::User(owner)) => inbox(&owner, user),
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

fn size(field: &str, size: usize, limit: usize) -> Result<(), Failure> {
    if size <= limit {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::PayloadTooLarge,
        format!("`{field}` has {size} bytes, at most {limit} are allowed"),
    ))
}
