//! Ends what has had its time when nobody calls.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use crate::embedded::Store;

/// Between two steps of its own, so that a thousand keys that end one after the other don't cost a
/// thousand steps.
const SHORTEST: Duration = Duration::from_millis(50);
/// The system's clock may be set, so nothing is waited for longer.
const LONGEST: Duration = Duration::from_secs(10);

/// Runs until the store is gone. Idle while nothing has an end.
pub(super) async fn run(store: Weak<Store>, earlier: Arc<Notify>) {
    loop {
        let Some(next) = store.upgrade().map(|store| {
            store.step_on_all(|everything, now| {
                let due = everything.set_alarm();
                (due < u64::MAX).then(|| Duration::from_millis(due.saturating_sub(now)))
            })
        }) else {
            return;
        };
        match next {
            None => earlier.notified().await,
            Some(pause) => {
                tokio::time::sleep(SHORTEST).await;
                let rest = pause.min(LONGEST).saturating_sub(SHORTEST);
                // Either way it looks anew.
                let _ = tokio::time::timeout(rest, earlier.notified()).await;
            }
        }
    }
}
