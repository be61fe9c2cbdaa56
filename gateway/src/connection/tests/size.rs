//! What a connection costs in memory while nothing happens.

use bytes::Bytes;

use super::harness::alone;
use crate::connection::{Peer, serve};
use crate::dialect::Language;
use crate::outbox::Outbox;
use crate::transport::ws::WebSocket;

#[tokio::test]
async fn the_task_of_a_connection_is_small() {
    const CEILING: usize = 592;
    let node = alone();
    let peer = Peer {
        format: Language::NativeJson.into(),
        identity: None,
    };
    let (_client, server) = (node.stream().await, node.stream().await);
    let task = serve(WebSocket::new(server, Bytes::new(), 1), &node.node, &peer);
    let size = size_of_val(&task);
    assert!(size <= CEILING, "the task takes {size} bytes");
}

#[test]
fn an_outbox_is_small() {
    const CEILING: usize = 160;
    let size = size_of::<Outbox>();
    assert!(size <= CEILING, "an outbox takes {size} bytes");
}
