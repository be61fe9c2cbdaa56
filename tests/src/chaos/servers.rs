//! What Redis is in a run, and how its faults are made.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use super::book::Book;
use super::plan::{RedisFault, Step};

/// Between two looks at the logs.
const LOOK: Duration = Duration::from_millis(250);

#[expect(
    async_fn_in_trait,
    reason = "nobody needs to send these futures to another thread"
)]
pub trait Servers {
    /// As `redis.url` takes it.
    fn url(&self) -> String;

    /// Makes a fault, and puts everything in order again.
    async fn suffer(&mut self, fault: RedisFault) -> Result<()>;

    /// Reads the newest entries of every log.
    async fn look(&self) -> Result<()>;

    /// The map of a state topic, past the product; `None` while keys of it are still to end.
    async fn map(&self, topic: &str) -> Result<Option<Map<String, Value>>>;

    /// Does what the plan says, and leaves everything in order.
    async fn run(&mut self, steps: &[Step<RedisFault>], book: &Book) -> Result<()> {
        for step in steps {
            self.watch(step.pause).await?;
            book.fault(step.fault.kind(), format!("{:?}", step.fault));
            if step.fault.loses_data() {
                book.losing_data();
            }
            self.suffer(step.fault)
                .await
                .with_context(|| format!("{:?}", step.fault))?;
            if step.fault.loses_data() {
                book.lost_data();
            }
            book.remark(&format!("{} is over", step.fault.kind()));
        }
        Ok(())
    }

    /// Waits, and reads the logs meanwhile.
    async fn watch(&self, milliseconds: u64) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(milliseconds);
        loop {
            self.look().await?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(LOOK)).await;
        }
    }
}
