//! Why a call has no answer.

use std::time::Duration;

use thiserror::Error;

use crate::broker::BrokerError;
use crate::code::ErrorCode;
use crate::name::{MethodGroup, MethodName};

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    #[error("no worker serves the method {0}")]
    NoWorker(MethodName),
    #[error("the call of {method} was not answered within {after:?}; it may have taken effect")]
    TimedOut { method: MethodName, after: Duration },
    #[error("more than {limit} calls of the group {group} wait: try again later")]
    Busy { group: MethodGroup, limit: usize },
    /// The method says so.
    #[error("{0}")]
    Failed(CallFailure),
    #[error("the backend cannot be reached: {0}")]
    Unavailable(String),
    #[error("the backend answered something unexpected: {0}")]
    Internal(String),
}

/// How a method refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct CallFailure {
    pub code: ErrorCode,
    pub message: String,
}

impl CallFailure {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl CallError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoWorker(_) => ErrorCode::NoWorker,
            Self::TimedOut { .. } => ErrorCode::Timeout,
            Self::Busy { .. } => ErrorCode::TooManyRequests,
            Self::Failed(failure) => failure.code,
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
}

impl From<BrokerError> for CallFailure {
    fn from(error: BrokerError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<CallError> for CallFailure {
    fn from(error: CallError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
