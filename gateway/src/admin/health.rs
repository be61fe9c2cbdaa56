//! Whether this node should get clients, as probes and metrics tell it.

use prometheus::{IntGauge, Registry};
use tidegate_shared::broker::Link;
use tidegate_shared::readiness::Readiness;
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Health {
    readiness: Readiness,
    draining: IntGauge,
}

impl Health {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let draining = IntGauge::new(
            "tidegate_draining",
            "1 while the node lets go of its clients before it ends",
        )?;
        registry.register(Box::new(draining.clone()))?;
        Ok(Self {
            readiness: Readiness::default(),
            draining,
        })
    }

    /// Follows the link to the backend, until it turns out to be unfit for use; gives what to change.
    pub(crate) async fn follow(&self, link: watch::Receiver<Link>) -> String {
        self.readiness.follow(link).await
    }

    /// From now on the node ends.
    pub(crate) fn drain(&self) {
        self.readiness.drain();
        self.draining.set(1);
    }

    pub(crate) fn ready(&self) -> Result<(), String> {
        self.readiness.ready()
    }

    pub(crate) fn started(&self) -> Result<(), String> {
        self.readiness.started()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_node_is_not_ready_and_counts_as_draining() {
        let health = Health::register(&Registry::new()).expect("registers");
        assert_eq!(health.draining.get(), 0);
        health.drain();
        assert!(health.ready().is_err_and(|why| why.contains("draining")));
        assert_eq!(health.draining.get(), 1);
    }
}
