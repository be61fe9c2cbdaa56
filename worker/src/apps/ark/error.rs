//! Why a control plane does not do what it is asked, for whoever asks: over HTTP, by a call, by a job.

use thiserror::Error;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::call::CallFailure;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::JobError;

use crate::failure::JobFailure;

#[derive(Debug, Error)]
pub(super) enum ArkError {
    #[error("{0} not found: {1}")]
    Unknown(&'static str, String),
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Topic(#[from] BrokerError),
    #[error(transparent)]
    Job(#[from] JobError),
}

impl ArkError {
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }

    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown(..) => ErrorCode::NotFound,
            Self::Wrong(_) => ErrorCode::BadRequest,
            Self::Topic(error) => error.code(),
            Self::Job(error) => error.code(),
        }
    }

    /// A job that asks for what cannot be has failed for good.
    pub(super) fn into_failure(self) -> JobFailure {
        match self {
            Self::Unknown(..) | Self::Wrong(_) => JobFailure::fatal(self),
            Self::Topic(_) | Self::Job(_) => JobFailure::new(self),
        }
    }
}

impl From<ArkError> for CallFailure {
    fn from(error: ArkError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
