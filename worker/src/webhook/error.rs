//! Why a webhook did not succeed, and whether another attempt may. Texts are shown to the job's
//! followers: they hold no header's value, and no part of the URL.

use std::io;
use std::time::Duration;

use hyper::StatusCode;
use thiserror::Error;

use crate::failure::JobFailure;

#[derive(Debug, Error)]
pub(super) enum WebhookError {
    #[error("the URL cannot be called: {0}")]
    Url(String),
    #[error("the header {name} cannot be sent: {why}")]
    Header { name: String, why: &'static str },
    #[error("there are {0} headers, at most {1} are allowed")]
    Headers(usize, usize),
    #[error("the body has {size} bytes, at most {limit} are allowed")]
    Body { size: usize, limit: usize },
    #[error(
        "the URL leads to an address that is not public; the worker's configuration can allow it by \
         `allow_private` in [worker.webhook]"
    )]
    Private,
    #[error("the answer has more than {0} bytes: store it elsewhere and answer where")]
    LargeAnswer(usize),
    #[error("the server answered {status}{text}")]
    Refused { status: StatusCode, text: String },

    #[error("the server answered {status}{text}")]
    Later {
        status: StatusCode,
        text: String,
        pause: Option<Duration>,
    },
    #[error("the host's name cannot be resolved: {0}")]
    Resolve(io::Error),
    #[error("the host's name could not be resolved within {0:?}")]
    SlowResolve(Duration),
    #[error("the server cannot be reached: {0}")]
    Connect(io::Error),
    #[error("no secure connection can be made: {0}")]
    Tls(io::Error),
    #[error("the exchange with the server broke off: {0}")]
    Exchange(#[source] hyper::Error),
    #[error("the server said nothing for {0:?}")]
    Silent(Duration),
}

impl WebhookError {
    pub(super) fn into_failure(self) -> JobFailure {
        let fatal = match &self {
            Self::Url(_)
            | Self::Header { .. }
            | Self::Headers(..)
            | Self::Body { .. }
            | Self::Private
            | Self::LargeAnswer(_)
            | Self::Refused { .. } => true,
            Self::Later { .. }
            | Self::Resolve(_)
            | Self::SlowResolve(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Exchange(_)
            | Self::Silent(_) => false,
        };
        if fatal {
            return JobFailure::fatal(self);
        }
        let pause = match &self {
            Self::Later { pause, .. } => *pause,
            _ => None,
        };
        let failure = JobFailure::from(self);
        match pause {
            Some(pause) => failure.retry_after(pause),
            None => failure,
        }
    }
}
