//! What an attacker tries, one file for each kind: refused with the code that is documented, counted, and nothing that
//! the others notice.

mod frames;
mod handshakes;
mod keys;
mod others;
mod pages;
mod paths;
mod subscriptions;
mod topics;

use serde_json::json;
use tidegate_gateway::Options;
use tidegate_shared::config::Config;

use crate::client::Client;
use crate::node::Node;
use crate::wire::get;

/// A node that is attacked, and a client that has nothing to do with it.
struct Scene {
    node: Node,
    other: Client,
}

impl Scene {
    /// Clients without a name may do what the configuration lets anyone do, here everything.
    async fn open(config: Config) -> Self {
        let node = Node::start_with(config, Options::default());
        let other = Client::connect(&node).await;
        Self { node, other }
    }

    async fn value(&self, metric: &str) -> f64 {
        let metrics = get(self.node.admin, "/metrics").await.text();
        let value = metrics.lines().find_map(|line| line.strip_prefix(metric));
        let value = value.unwrap_or_else(|| panic!("{metric} in {metrics}"));
        value.trim().parse().expect("a number")
    }

    /// The attack was counted so often at least, and the other client is served as before.
    async fn assert_harmless(mut self, metric: &str, times: f64) {
        let counted = self.value(metric).await;
        assert!(counted >= times, "{metric} is {counted}");
        let publish = json!({"action": "publish", "topic": "fine", "data": 1});
        assert_eq!(self.other.call(publish).await["type"], "published");
        assert_eq!(get(self.node.admin, "/livez").await.status, 200);
    }
}
