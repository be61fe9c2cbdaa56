//! Jobs: their vocabulary, and the queue they wait in.

mod attempt;
mod concurrency;
mod desk;
mod draft;
mod error;
mod id;
mod line;
mod listing;
mod policy;
mod queue;
mod record;
mod schedule;

pub use attempt::{Beat, Claim, Failure, Lease, Progress, Token};
pub use concurrency::Concurrency;
pub use desk::{
    Attempted, DEAD_RETENTION, HISTORY, JobDesk, LISTED, OWNED, Place, QueueInfo, SHELF_LIMIT, Shelf,
};
pub use draft::{ATTEMPTS_LIMIT, JobDraft, Submitted, TIME_LIMIT};
pub use error::JobError;
pub use id::JobId;
pub use line::{LINE_LIMIT, LOG_EVENT, LogLevel, LogLine};
pub use listing::{Cursor, JobFilter, JobPage, list};
pub use policy::{QueuePolicy, Queues, Rate};
pub use queue::{
    AGING, CHECKPOINT_LIMIT, CLAIM_LIMIT, DETAIL_LIMIT, JobQueue, MAX_STALLS_DEFAULT, Promoted, RESULT_LIMIT,
    TEXT_LIMIT, TIMED_OUT,
};
pub use record::{JobRecord, JobState, MAX_ATTEMPTS_DEFAULT, Percent, Priority};
pub use schedule::{Clockwork, Fired, Missed, Planned, SCHEDULES, Schedule, ScheduledJob, Schedules, Timing};
