//! Presence and the list of nodes, which this backend does not have.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::broker::BrokerError;
use crate::name::{NodeId, SessionId};
use crate::nodes::{NodeInfo, Nodes};
use crate::presence::{Member, NewMember, Presence};
use crate::topic::Topic;

pub(super) struct Absent;

pub(super) fn absent() -> BrokerError {
    BrokerError::Internal("this version does not have it on Redis".to_owned())
}

#[async_trait]
impl Presence for Absent {
    async fn enter(&self, _: &Topic, _: NewMember, _: Duration) -> Result<(), BrokerError> {
        Err(absent())
    }

    async fn leave(&self, _: &Topic, _: SessionId) -> Result<(), BrokerError> {
        Err(absent())
    }

    async fn keep(&self, _: &[Topic], _: Duration) -> Result<Vec<usize>, BrokerError> {
        Err(absent())
    }

    async fn members(&self, _: &Topic) -> Result<Vec<Member>, BrokerError> {
        Err(absent())
    }

    async fn count(&self, _: &Topic) -> Result<usize, BrokerError> {
        Err(absent())
    }
}

#[async_trait]
impl Nodes for Absent {
    async fn tell(&self, _: Bytes) -> Result<usize, BrokerError> {
        Err(absent())
    }

    async fn announce(&self, _: &NodeInfo, _: Duration) -> Result<(), BrokerError> {
        Err(absent())
    }

    async fn withdraw(&self, _: &NodeId) -> Result<(), BrokerError> {
        Err(absent())
    }

    async fn list(&self) -> Result<Vec<NodeInfo>, BrokerError> {
        Err(absent())
    }
}
