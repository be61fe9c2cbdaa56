//! Takes jobs back whose worker is gone. Every worker does it, for the queues it serves.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::job::JobQueue;
use tidegate_shared::name::QueueName;
use tokio::time::sleep;

use super::backoff::jitter;

/// Asking costs microseconds where nothing has run out, and this is what comes on top of the lease
/// before a lost job goes on.
const INTERVAL: Duration = Duration::from_secs(1);

/// Never ends by itself. While the backend is away it says nothing: claiming does.
pub(crate) async fn reclaim(
    jobs: Arc<dyn JobQueue>,
    queues: Vec<QueueName>,
    lease: Duration,
    max_stalls: u32,
) {
    let interval = (lease / 2).min(INTERVAL);
    loop {
        sleep(jitter(interval)).await;
        for queue in &queues {
            // A worker that is busy does not wait for work, which would do this.
            if let Err(error) = jobs.promote(queue).await {
                tracing::debug!(%queue, "cannot queue jobs that are due: {error}");
            }
            match jobs.reclaim(queue, max_stalls).await {
                Ok(0) => {}
                Ok(taken) => tracing::warn!(%queue, "took back {taken} jobs whose worker is gone"),
                Err(error) => tracing::debug!(%queue, "cannot take jobs back: {error}"),
            }
        }
    }
}
