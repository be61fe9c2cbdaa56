use thiserror::Error;

use crate::code::ErrorCode;
use crate::job::JobId;
use crate::name::IdempotencyKey;

/// Why a call of the [`JobQueue`](crate::job::JobQueue) did nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JobError {
    #[error("the backend cannot be reached: {0}")]
    Unavailable(String),
    #[error("job {0} does not exist")]
    NotFound(JobId),
    #[error("the lease on job {0} was lost: it ran out or the job has ended")]
    LeaseLost(JobId),
    #[error(
        "idempotency key {key} belongs to job {job}, which was submitted with another type or other data"
    )]
    Conflict { key: IdempotencyKey, job: JobId },
    #[error("job {0} is no dead letter")]
    NotDead(JobId),
    #[error("the {what} has {size} bytes, at most {limit} are allowed")]
    TooLarge {
        what: &'static str,
        size: usize,
        limit: usize,
    },
    #[error("there are {limit} {what} already, more are not allowed")]
    TooMany { what: &'static str, limit: usize },
    #[error("the backend answered something unexpected: {0}")]
    Internal(String),
}

impl JobError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::LeaseLost(_) | Self::Conflict { .. } | Self::NotDead(_) => ErrorCode::Conflict,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::TooMany { .. } => ErrorCode::LimitExceeded,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
}
