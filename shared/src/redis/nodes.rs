//! The list of nodes on Redis, and the channel that all of them hear.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::interfaces::PubsubInterface;
use fred::types::Value;

use super::broker::{milliseconds, text};
use super::commands::{CallError, Commands};
use super::keys::Keys;
use super::scripts::Script;
use crate::broker::{BrokerError, TOPIC_TTL, rule};
use crate::name::NodeId;
use crate::nodes::{MESSAGE_LIMIT, NODE_LIMIT, NodeInfo, Nodes};

pub(super) struct RedisNodes {
    pub(super) commands: Arc<Commands>,
    pub(super) keys: Keys,
    pub(super) _closer: super::Closer,
}

impl RedisNodes {
    /// Puts an entry on the list, or takes it off if it is empty.
    async fn register(&self, node: &NodeId, entry: &str, ttl: Duration) -> Result<(), BrokerError> {
        let limit = i64::try_from(NODE_LIMIT).unwrap_or(i64::MAX);
        let arguments = vec![
            text(node.as_str()),
            text(entry),
            milliseconds(ttl),
            Value::Integer(limit),
            milliseconds(ttl.saturating_add(TOPIC_TTL)),
        ];
        let answer = self
            .commands
            .run(Script::Register, Keys::NODES, self.keys.nodes(), arguments)
            .await?;
        match answer.as_i64() {
            Some(1) => Ok(()),
            Some(0) => Err(rule::too_many_nodes(NODE_LIMIT)),
            _ => Err(CallError::unexpected("no answer to a node").into()),
        }
    }
}

#[async_trait]
impl Nodes for RedisNodes {
    async fn tell(&self, message: Bytes) -> Result<usize, BrokerError> {
        if message.len() > MESSAGE_LIMIT {
            return Err(rule::too_long(message.len(), MESSAGE_LIMIT));
        }
        let channel = self.keys.control();
        let heard_by = self
            .commands
            .call("spublish", Keys::NODES, |client| {
                let (channel, message) = (channel.clone(), Value::Bytes(message.clone()));
                async move { client.spublish::<usize, _, _>(channel, message).await }
            })
            .await?;
        Ok(heard_by)
    }

    async fn announce(&self, node: &NodeInfo, ttl: Duration) -> Result<(), BrokerError> {
        let entry = serde_json::to_string(node).map_err(|error| BrokerError::Internal(error.to_string()))?;
        self.register(&node.node, &entry, ttl).await
    }

    async fn withdraw(&self, node: &NodeId) -> Result<(), BrokerError> {
        self.register(node, "", Duration::ZERO).await
    }

    async fn list(&self) -> Result<Vec<NodeInfo>, BrokerError> {
        let answer = self
            .commands
            .run(Script::Registered, Keys::NODES, self.keys.nodes(), Vec::new())
            .await?;
        let entries = answer.into_array().into_iter().filter_map(Value::into_bytes);
        // What another version wrote in another shape is not listed.
        let mut nodes: Vec<NodeInfo> = entries
            .filter_map(|entry| serde_json::from_slice(&entry).ok())
            .collect();
        nodes.sort_by(|one, other| one.node.cmp(&other.node));
        Ok(nodes)
    }
}
