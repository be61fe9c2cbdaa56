//! A topic's name, and what its name alone decides.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::job::JobId;
use crate::name::{NameError, QueueName, SessionId, UserId, check};

/// A topic: 1–255 bytes of UTF-8 without braces, white space and control characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(Arc<str>);

/// Topics whose meaning is fixed by their name. Everything else is an application's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// `job:{id}`: the log of one job.
    Job(JobId),
    /// `jobs:{queue}`: everything that happens to the jobs of a queue.
    Jobs(QueueName),
    /// `user:{id}`: a user's inbox.
    User(UserId),
    /// In a reserved namespace, but naming nothing that can exist (`job:rubbish`).
    Nothing,
}

impl Topic {
    /// Longest topic, in bytes.
    pub const LIMIT: usize = 255;
    /// The namespace of topics without a colon.
    pub const DEFAULT_NAMESPACE: &'static str = "default";

    pub fn parse(text: &str) -> Result<Self, NameError> {
        check("topic", text, Self::LIMIT)?;
        Ok(Self(text.into()))
    }

    /// The topic `job:{id}`.
    pub fn of_job(id: &JobId) -> Self {
        Self(format!("job:{id}").into())
    }

    /// The topic `jobs:{queue}`.
    pub fn of_queue(queue: &QueueName) -> Self {
        Self(format!("jobs:{queue}").into())
    }

    /// The topic `user:{id}`.
    pub fn of_user(user: &UserId) -> Self {
        Self(format!("user:{user}").into())
    }

    /// The topic `session:{id}`: what one session alone is told. There is nothing to subscribe to.
    pub fn of_session(session: SessionId) -> Self {
        Self(format!("session:{session}").into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text before the first colon, or `default`.
    pub fn namespace(&self) -> &str {
        self.0
            .split_once(':')
            .map_or(Self::DEFAULT_NAMESPACE, |(namespace, _)| namespace)
    }

    /// What the name means if it is in one of the namespaces `job`, `jobs` and `user`.
    pub fn reserved(&self) -> Option<Reserved> {
        let (namespace, rest) = self.0.split_once(':')?;
        match namespace {
            "job" => Some(JobId::parse(rest).map_or(Reserved::Nothing, Reserved::Job)),
            "jobs" => Some(QueueName::parse(rest).map_or(Reserved::Nothing, Reserved::Jobs)),
            "user" => Some(UserId::parse(rest).map_or(Reserved::Nothing, Reserved::User)),
            _ => None,
        }
    }
}

impl TryFrom<String> for Topic {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.0.as_ref().to_owned()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_the_text_before_the_first_colon() {
        let namespace = |text| Topic::parse(text).map(|topic| topic.namespace().to_owned());
        assert_eq!(namespace("chat:a:b").as_deref(), Ok("chat"));
        assert_eq!(namespace("news").as_deref(), Ok("default"));
        assert_eq!(namespace(":x").as_deref(), Ok(""));
    }

    #[test]
    fn length_is_counted_in_bytes() {
        assert!(Topic::parse(&"ü".repeat(127)).is_ok());
        assert!(matches!(
            Topic::parse(&"ü".repeat(128)),
            Err(NameError::TooLong { length: 256, .. })
        ));
    }

    #[test]
    fn a_job_topic_names_its_job() {
        let id = JobId::new(&QueueName::parse("a.b").expect("valid"));
        assert_eq!(Topic::of_job(&id).reserved(), Some(Reserved::Job(id)));
        assert_eq!(
            Topic::parse("job:x").expect("valid").reserved(),
            Some(Reserved::Nothing)
        );
        assert_eq!(Topic::parse("jobber:x").expect("valid").reserved(), None);
    }
}
