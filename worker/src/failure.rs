//! How a handler ends without a result.

use std::error::Error;
use std::fmt;

use thiserror::Error;

/// Ends a job as failed, with a message for the people who wait for it; or, made from [`Stopped`], gives
/// it back unfinished. Any error becomes one by `?`, with the messages of its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Failed(String),
    Stopped,
}

/// The handler was told to stop: the worker shuts down, or the job is no longer its.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the handler was told to stop")]
pub struct Stopped;

impl JobFailure {
    pub fn new(message: impl fmt::Display) -> Self {
        Self(Kind::Failed(message.to_string()))
    }

    /// The message; `None` if the job is given back unfinished.
    pub(crate) fn message(&self) -> Option<&str> {
        match &self.0 {
            Kind::Failed(message) => Some(message),
            Kind::Stopped => None,
        }
    }
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => f.write_str(message),
            None => Stopped.fmt(f),
        }
    }
}

// `JobFailure` itself is no `Error`, as otherwise this would overlap with `From<T> for T`.
impl<E: Error + 'static> From<E> for JobFailure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(one) = cause {
            if one.is::<Stopped>() {
                return Self(Kind::Stopped);
            }
            let text = one.to_string();
            // Many errors repeat their source's message in their own.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = one.source();
        }
        Self(Kind::Failed(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    #[error("reading the map")]
    struct Outer<E: Error + 'static>(#[source] E);

    #[test]
    fn a_failure_tells_its_causes_and_each_only_once() {
        let failure = JobFailure::from(Outer(std::io::Error::other("disk on fire")));
        assert_eq!(failure.to_string(), "reading the map: disk on fire");
        let failure = JobFailure::from(std::io::Error::other("disk on fire"));
        assert_eq!(failure.message(), Some("disk on fire"));
    }

    #[test]
    fn being_stopped_is_recognised_inside_of_other_errors() {
        assert_eq!(JobFailure::from(Outer(Stopped)).message(), None);
        assert_eq!(JobFailure::from(Stopped).message(), None);
    }
}
