//! The node's entry in the list of nodes: renewed as long as it lives, taken off when it ends.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::nodes::{ANNOUNCE_EVERY, NODE_TTL};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Node;

/// Until the next try where one failed.
const AGAIN: Duration = Duration::from_millis(50);
/// For the backend to answer when the node ends.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Registration {
    end: CancellationToken,
    task: TaskTracker,
}

/// Announces the node from now on.
pub(super) fn start(node: &Arc<Node>) {
    let weak = Arc::downgrade(node);
    let (end, drain) = (node.registration.end.clone(), node.draining.clone());
    node.registration.task.spawn(async move {
        let mut draining = false;
        while !end.is_cancelled() {
            let Some(node) = weak.upgrade() else { return };
            let info = node.info();
            let nodes = node.backend.nodes.clone();
            drop(node);
            let mut pause = ANNOUNCE_EVERY;
            if let Err(error) = nodes.announce(&info, NODE_TTL).await {
                tracing::debug!(%error, "this node could not be announced");
                // At the start the backend may not be there yet, and others look for this node's clients.
                pause = AGAIN;
            }
            tokio::select! {
                () = end.cancelled() => return,
                () = drain.cancelled(), if !draining => draining = true,
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
    node.registration.task.close();
}

impl Registration {
    pub(super) async fn withdraw(&self, node: &Node) {
        self.end.cancel();
        let withdrawing = async {
            self.task.wait().await;
            node.backend.nodes.withdraw(&node.id).await
        };
        match tokio::time::timeout(PATIENCE, withdrawing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "this node stays listed until its entry runs out"),
            Err(_) => tracing::debug!("this node stays listed until its entry runs out"),
        }
    }
}
