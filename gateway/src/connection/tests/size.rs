//! What a connection costs in memory while nothing happens.

use std::sync::Arc;

use bytes::Bytes;

use super::harness::alone;
use crate::connection::{Peer, serve};
use crate::dialect::Format;
use crate::outbox::Outbox;
use crate::transport::ws::{SendQueue, WebSocket};

#[tokio::test]
async fn the_task_of_a_connection_is_small() {
    const CEILING: usize = 632;
    let node = alone();
    let peer = Peer {
        format: Format::NATIVE,
        identity: None,
        introduction: None,
        from: None,
        entrance: Arc::default(),
        trace: None,
        writer: None,
        config: node.node.config.clone(),
    };
    let (_client, server) = (node.stream().await, node.stream().await);
    let task = serve(
        WebSocket::new(server, Bytes::new(), 1),
        SendQueue::new(),
        &node.node,
        &peer,
    );
    let size = size_of_val(&task);
    assert!(size <= CEILING, "the task takes {size} bytes");
}

#[test]
fn an_outbox_is_small() {
    const CEILING: usize = 160;
    let size = size_of::<Outbox>();
    assert!(size <= CEILING, "an outbox takes {size} bytes");
}
