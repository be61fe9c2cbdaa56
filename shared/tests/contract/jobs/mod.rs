//! What [`JobQueue`](tidegate_shared::job::JobQueue) promises.

pub(crate) mod auditing;
mod bench;
pub(crate) mod cancelling;
pub(crate) mod claiming;
pub(crate) mod delaying;
pub(crate) mod desk;
pub(crate) mod fencing;
pub(crate) mod flow;
pub(crate) mod interleaving;
pub(crate) mod leases;
pub(crate) mod lines;
pub(crate) mod retrying;
pub(crate) mod scheduling;
pub(crate) mod submitting;
pub(crate) mod waiting;
pub(crate) mod working;

use bench::{Bench, LONG, SHORT, message, outline, percent, record_of};
