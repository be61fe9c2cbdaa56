//! Waiting until a client has been handed what stands at some place of a log.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::call::After;
use tokio::sync::oneshot;

use super::Hub;
use crate::outbox::Outbox;

/// What has not arrived by then may be lost, and is looked for.
const PATIENCE: Duration = Duration::from_millis(250);

impl Hub {
    /// Resolves when the outbox holds, or has held, what stands at the place, and everything before it; at
    /// once if it does not follow the topic, or reads the log because it has fallen behind.
    pub(crate) async fn reached(&self, outbox: &Arc<Outbox>, place: &After) {
        let epoch = place.epoch();
        while let Some(arrived) = {
            let mut shard = self.shard(&place.topic).lock();
            let entry = shard.topics.get_mut(&place.topic);
            entry
                .filter(|entry| entry.live.contains(outbox))
                .and_then(|entry| {
                    let at = entry.feed.position()?;
                    let missing = at.epoch != epoch || at.offset < place.offset;
                    missing.then(|| entry.expect_more())
                })
        } {
            if tokio::time::timeout(PATIENCE, arrived).await.is_err() {
                self.suspect(&place.topic);
            }
        }
    }
}

/// Those who wait for more to arrive.
#[derive(Debug, Default)]
pub(super) struct Expectants(Vec<oneshot::Sender<()>>);

impl Expectants {
    pub(super) fn add(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.0.retain(|one| !one.is_closed());
        self.0.push(sender);
        receiver
    }

    /// Something has changed: they look again.
    pub(super) fn tell(&mut self) {
        for one in std::mem::take(&mut self.0) {
            // Who stopped waiting does not care.
            let _ = one.send(());
        }
    }
}
