use std::collections::BTreeMap;

use crate::broker::{BrokerError, rule};
use crate::name::NodeId;
use crate::nodes::{NODE_LIMIT, NodeInfo};

/// The nodes that have announced themselves.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    nodes: BTreeMap<NodeId, (u64, NodeInfo)>,
}

impl Fleet {
    pub(super) fn announce(&mut self, node: &NodeInfo, until: u64, now: u64) -> Result<(), BrokerError> {
        self.expire(now);
        if self.nodes.len() >= NODE_LIMIT && !self.nodes.contains_key(&node.node) {
            return Err(rule::too_many_nodes(NODE_LIMIT));
        }
        self.nodes.insert(node.node.clone(), (until, node.clone()));
        Ok(())
    }

    pub(super) fn withdraw(&mut self, node: &NodeId) {
        self.nodes.remove(node);
    }

    pub(super) fn list(&mut self, now: u64) -> Vec<NodeInfo> {
        self.expire(now);
        self.nodes.values().map(|(_, node)| node.clone()).collect()
    }

    fn expire(&mut self, now: u64) {
        self.nodes.retain(|_, (until, _)| *until > now);
    }
}
