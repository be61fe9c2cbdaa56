//! Why an operation is not done, in the words that its clients look for.

use thiserror::Error;

use crate::{CallFailure, ErrorCode};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error("System is currently inactive. Registration is not available.")]
    Closed,
    #[error("System is currently inactive.")]
    Inactive,
    #[error("Invalid callsign format. Must follow ITU standards (e.g., KC1ABC, W1AW)")]
    Malformed,
    #[error("Callsign already in queue")]
    Doubled,
    #[error("Queue is full")]
    Full,
    #[error("Callsign not found in queue")]
    Absent,
}

impl Refusal {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Closed | Self::Inactive => 503,
            Self::Malformed | Self::Doubled | Self::Full => 400,
            Self::Absent => 404,
        }
    }
}

impl From<Refusal> for CallFailure {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorCode::Conflict, refusal.to_string())
    }
}
