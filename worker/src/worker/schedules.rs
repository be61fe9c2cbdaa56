//! Submits the jobs of schedules when their time comes. Every worker does it, for the queues it serves; the
//! backend sees to it that each tick has one job.

use std::time::Duration;

use tidegate_shared::backend::Backend;
use tidegate_shared::job::{JobError, Schedule};
use tidegate_shared::name::QueueName;
use tokio::time::sleep;

/// A schedule that is made elsewhere meanwhile is seen this much later at most.
const LONGEST: Duration = Duration::from_secs(1);
/// What is due in no whole millisecond may still be due in a part of one.
const SHORTEST: Duration = Duration::from_millis(1);

pub(crate) struct Clock {
    pub(crate) backend: Backend,
    pub(crate) queues: Vec<QueueName>,
    /// What the configuration file says, if there is one.
    pub(crate) of_file: Option<Vec<Schedule>>,
}

impl Clock {
    /// Never ends by itself. While the backend is away it says nothing: claiming does.
    pub(crate) async fn run(mut self) {
        loop {
            if let Some(schedules) = &self.of_file {
                match self.keep(schedules).await {
                    Ok(()) => self.of_file = None,
                    Err(error @ JobError::Unavailable(_)) => {
                        tracing::debug!("cannot keep schedules: {error}");
                    }
                    Err(error) => {
                        tracing::error!("a schedule of the configuration was not taken: {error}");
                        self.of_file = None;
                    }
                }
            }
            let mut pause = LONGEST;
            for queue in &self.queues {
                match self.backend.schedules.fire(queue).await {
                    Ok(fired) => pause = pause.min(fired.next.unwrap_or(LONGEST)),
                    Err(error) => tracing::debug!(%queue, "cannot look for schedules that are due: {error}"),
                }
            }
            sleep(pause.max(SHORTEST)).await;
        }
    }

    /// Makes the schedules of the file, and takes away those that a file had made before. Only of the queues that
    /// are served here: the others may have a file of their own.
    async fn keep(&self, schedules: &[Schedule]) -> Result<(), JobError> {
        let served = |schedule: &&Schedule| self.queues.contains(&schedule.job.queue);
        for schedule in schedules.iter().filter(served) {
            self.backend.schedules.put(schedule.clone()).await?;
        }
        for planned in self.backend.schedules.list().await? {
            let old = &planned.schedule;
            if old.from_file && served(&old) && !schedules.iter().any(|one| one.name == old.name) {
                tracing::info!(name = %old.name, "took away a schedule that the configuration no longer has");
                self.backend.schedules.remove(&old.name).await?;
            }
        }
        Ok(())
    }
}
