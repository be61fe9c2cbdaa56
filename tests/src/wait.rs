//! Waiting with a deadline, and with words for what did not happen.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep, timeout};

/// Between two looks at something that cannot announce itself (a file, a port, a process).
const LOOK: Duration = Duration::from_millis(20);

/// The future's value, or an error that says what was waited for.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    Box::pin(timeout(limit, future))
        .await
        .with_context(|| format!("waited {limit:?} in vain for: {what}"))?
        .with_context(|| format!("while waiting for: {what}"))
}

/// Looks again and again until `look` gives something. Its errors count as "not yet", and the last one is
/// told when the time is up.
pub async fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let found = match timeout(deadline.saturating_duration_since(Instant::now()), look()).await {
            Ok(found) => found,
            Err(_) => Err(anyhow::anyhow!("the last look did not come back")),
        };
        if let Ok(Some(found)) = found {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            let why = found.err().map_or(String::new(), |error| format!(": {error:#}"));
            anyhow::bail!("waited {limit:?} in vain for: {what}{why}");
        }
        sleep(LOOK).await;
    }
}
