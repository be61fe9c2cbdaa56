//! The nodes of a gateway fleet: who is there, and a word from one to all.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::broker::BrokerError;
use crate::name::NodeId;

/// What a caller may rely on:
///
/// * A message reaches every node that is connected to the backend at that moment, the sender too, at
///   most once and in the order in which one node told several. It is heard as
///   [`BrokerEvent::Control`](crate::broker::BrokerEvent::Control). A node that is away misses it.
/// * A node that has not announced itself for the time it asked for is not listed.
#[async_trait]
pub trait Nodes: Send + Sync + 'static {
    /// Tells all nodes. Gives how many hear it, as far as the backend knows. More than
    /// [`MESSAGE_LIMIT`] bytes are [`BrokerError::Limit`].
    async fn tell(&self, message: Bytes) -> Result<usize, BrokerError>;

    /// Puts or renews a node's entry for `ttl` from now. A node calls it every [`ANNOUNCE_EVERY`], and on
    /// shutdown [`Nodes::withdraw`]. More than [`NODE_LIMIT`] nodes are [`BrokerError::Limit`].
    async fn announce(&self, node: &NodeInfo, ttl: Duration) -> Result<(), BrokerError>;

    async fn withdraw(&self, node: &NodeId) -> Result<(), BrokerError>;

    /// All that are there, by name.
    async fn list(&self) -> Result<Vec<NodeInfo>, BrokerError>;
}

/// How long a node's entry should live.
pub const NODE_TTL: Duration = Duration::from_secs(30);
/// How often a node should announce itself.
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);
/// Most bytes of one message.
pub const MESSAGE_LIMIT: usize = 64 * 1024;
/// Most nodes that are listed.
pub const NODE_LIMIT: usize = 1_024;

/// One gateway node as `/api/info` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    pub node: NodeId,
    pub version: String,
    pub connections: u64,
    pub subscriptions: u64,
    pub topics: u64,
    /// Milliseconds since 1970, by the node's clock.
    pub started_at: u64,
    pub draining: bool,
    /// How other nodes reach it, as `http://host:port`. Absent for nodes that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
}
