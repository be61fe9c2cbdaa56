//! Where an error of fred's comes from.

use fred::error::{Error, ErrorKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Timeout,
    /// No answer came, whatever fred calls it: most of its own errors are of the kind `Unknown`.
    Connection,
    /// Redis answered that it can't now.
    Temporary,
    /// Redis did nothing, because another master serves this slot.
    Moved,
    /// Redis did nothing, because this slot is on its way to another master.
    Moving,
    /// Redis answered with an error, or with something unexpected.
    Answer,
}

impl Cause {
    pub(super) fn of(error: &Error) -> Self {
        // Redis's errors begin with a code in capitals, fred's are sentences.
        let code = error.details().split(' ').next().unwrap_or_default();
        if code.len() > 1 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return match code {
                "MOVED" => Self::Moved,
                "ASK" | "TRYAGAIN" => Self::Moving,
                "OOM" | "MISCONF" | "NOREPLICAS" | "READONLY" | "LOADING" | "BUSY" | "MASTERDOWN"
                | "CLUSTERDOWN" | "UNBLOCKED" => Self::Temporary,
                _ => Self::Answer,
            };
        }
        match error.kind() {
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Parse | ErrorKind::Protocol | ErrorKind::NotFound | ErrorKind::InvalidArgument => {
                Self::Answer
            }
            _ => Self::Connection,
        }
    }
}
