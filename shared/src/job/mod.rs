//! Jobs: their vocabulary, and the queue they wait in.

mod id;
mod queue;
mod record;

pub use id::JobId;
pub use queue::{
    Beat, CLAIM_LIMIT, Claim, DETAIL_LIMIT, JobDraft, JobError, JobQueue, Lease, MAX_STALLS_DEFAULT,
    Progress, RESULT_LIMIT, RETENTION, Submitted, TEXT_LIMIT, Token,
};
pub use record::{JobRecord, JobState, Percent, Priority};
