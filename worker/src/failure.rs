//! How a handler ends without a result.

use std::error::Error;
use std::fmt;

use thiserror::Error;

/// Ends a job as failed, with a message for the people who wait for it. Any error becomes one by `?`,
/// with the messages of its sources.
///
/// After the handler was told to stop, a failure ends nothing: it gives the job back unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure(String);

/// The handler was told to stop: the worker shuts down, or the job is no longer its.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the handler was told to stop")]
pub struct Stopped;

impl JobFailure {
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }

    pub fn message(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
        Self(message)
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
}
