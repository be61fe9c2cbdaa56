//! Jobs: their vocabulary, and the queue they wait in.

mod attempt;
mod draft;
mod error;
mod id;
mod policy;
mod queue;
mod record;

pub use attempt::{Beat, Claim, Failure, Lease, Progress, Token};
pub use draft::{JobDraft, Submitted};
pub use error::JobError;
pub use id::JobId;
pub use policy::{QueuePolicy, Queues};
pub use queue::{
    AGING, CLAIM_LIMIT, DETAIL_LIMIT, JobQueue, MAX_STALLS_DEFAULT, Promoted, RESULT_LIMIT, TEXT_LIMIT,
    TIMED_OUT,
};
pub use record::{JobRecord, JobState, MAX_ATTEMPTS_DEFAULT, Percent, Priority};
