//! How a handler ends without a result.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use thiserror::Error;
use tidegate_shared::job::Failure;

/// Ends an attempt, with a message for the people who wait for the job. Any error becomes one by `?`,
/// with the messages of its sources; the job may then be tried again. [`JobFailure::fatal`] says that
/// another attempt would end the same way.
///
/// After the handler was told to stop, a failure ends nothing: it gives the job back unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure {
    message: String,
    fatal: bool,
    retry_after: Option<Duration>,
}

/// The handler was told to stop: the worker shuts down, the job was cancelled, or it is no longer its.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the handler was told to stop")]
pub struct Stopped;

impl JobFailure {
    /// Worth another attempt.
    pub fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            fatal: false,
            retry_after: None,
        }
    }

    /// Not worth another attempt: what was asked for is wrong, and stays so.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self {
            fatal: true,
            ..Self::new(message)
        }
    }

    /// The next attempt begins this much later, instead of after the usual pause.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn is_fatal(&self) -> bool {
        self.fatal
    }

    pub fn pause(&self) -> Option<Duration> {
        self.retry_after
    }

    /// As the job queue is told it.
    pub(crate) fn into_outcome(self) -> Failure {
        Failure {
            message: self.message,
            fatal: self.fatal,
            retry_after: self.retry_after,
        }
    }
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// `JobFailure` itself is no `Error`, as otherwise this would overlap with `From<T> for T`.
impl<E: Error> From<E> for JobFailure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(one) = cause {
            let text = one.to_string();
            // Many errors repeat their source's message in their own.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = one.source();
        }
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    enum Outer {
        #[error("reading the map")]
        Bare(#[source] std::io::Error),
        #[error("reading the map: {0}")]
        Repeats(#[source] std::io::Error),
    }

    #[test]
    fn a_failure_tells_its_causes_and_each_only_once() {
        let cause = || std::io::Error::other("disk on fire");
        for error in [Outer::Bare(cause()), Outer::Repeats(cause())] {
            assert_eq!(JobFailure::from(error).message(), "reading the map: disk on fire");
        }
        assert_eq!(JobFailure::from(cause()).message(), "disk on fire");
    }

    #[test]
    fn an_ordinary_error_is_worth_another_attempt() {
        assert!(!JobFailure::from(std::io::Error::other("away")).is_fatal());
        assert!(JobFailure::fatal("no such picture").is_fatal());
    }
}
