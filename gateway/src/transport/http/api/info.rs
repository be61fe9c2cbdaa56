//! `GET /api/info`: the nodes that are there, and the queues.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tidegate_shared::job::QueueInfo;
use tidegate_shared::nodes::NodeInfo;

use super::{Api, answer};
use crate::transport::http::Problem;

#[derive(Debug, Serialize)]
struct Info {
    nodes: Vec<NodeInfo>,
    queues: Vec<QueueInfo>,
}

/// As the nodes last said of themselves; this one says it now.
pub(super) async fn info(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let own = api.gate.node().info();
    let mut nodes = api.backend.nodes.list().await?;
    match nodes.iter_mut().find(|one| one.node == own.node) {
        Some(one) => *one = own,
        None => nodes.push(own),
    }
    nodes.sort_by(|a, b| a.node.as_str().cmp(b.node.as_str()));
    let queues = api.backend.desk.queues().await?;
    answer(StatusCode::OK, &Info { nodes, queues })
}
