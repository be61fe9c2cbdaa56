//! When a job's topic has said its last word: then the sessions that follow the job only because it is
//! their user's leave.

use std::sync::Arc;

use tidegate_shared::job::JobState;
use tidegate_shared::publication::{Body, Publication, Snapshot};
use tidegate_shared::topic::Topic;

/// Whether what leads up to the end of this run is the end of the topic's job.
pub(super) fn ends(run: &[Arc<Publication>]) -> bool {
    let Some(last) = run.last() else { return false };
    match &last.body {
        Body::Job { record } if is_job(&last.topic) => {
            JobState::of_record(record).is_some_and(JobState::is_terminal)
        }
        _ => false,
    }
}

/// The same for a snapshot that nothing follows.
pub(super) fn is_over(topic: &Topic, snapshot: Option<&Snapshot>) -> bool {
    match snapshot {
        Some(Snapshot::Job(record)) if is_job(topic) => {
            JobState::of_record(record).is_some_and(JobState::is_terminal)
        }
        _ => false,
    }
}

/// A queue's topic has the ends of many jobs.
pub(super) fn is_job(topic: &Topic) -> bool {
    topic.namespace() == "job"
}
