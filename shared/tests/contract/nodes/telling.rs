//! A word to all nodes.

use bytes::Bytes;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::nodes::MESSAGE_LIMIT;

use crate::contract::broker::{attach, data, publish, topic};
use crate::contract::{Ear, World};

pub(crate) async fn what_is_told_reaches_every_node_once_and_in_order<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await, world.node().await];
    let mut ears = [Ear::of(&nodes[0]), Ear::of(&nodes[1]), Ear::of(&nodes[2])];
    let messages: [&'static [u8]; 5] = [b"1", b"", b"\xff\x00\r\n", b"{\"disconnect\":\"x\"}", b"end"];
    for message in messages {
        let heard_by = nodes[1].nodes.tell(Bytes::from_static(message)).await;
        assert_eq!(heard_by, Ok(3));
    }
    for ear in &mut ears {
        assert_eq!(ear.told_until(b"end").await, messages);
    }
}

pub(crate) async fn a_long_message_is_told_and_a_longer_one_refused<W: World>(world: W) {
    let (teller, listener) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let longest = Bytes::from(vec![b'x'; MESSAGE_LIMIT]);
    let longer = Bytes::from(vec![b'x'; MESSAGE_LIMIT + 1]);
    let refused = teller.nodes.tell(longer).await;
    assert!(matches!(refused, Err(BrokerError::Limit(_))), "{refused:?}");
    teller.nodes.tell(longest.clone()).await.expect("told");
    teller.nodes.tell(Bytes::from_static(b"end")).await.expect("told");
    assert_eq!(ear.told_until(b"end").await, [&longest[..], b"end"]);
}

pub(crate) async fn what_is_told_is_no_publication<W: World>(world: W) {
    let (teller, listener) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    attach(&listener, &topic("t")).await;
    publish(&teller, &topic("t"), "1").await;
    teller.nodes.tell(Bytes::from_static(b"end")).await.expect("told");
    publish(&teller, &topic("t"), "2").await;
    assert_eq!(ear.told_until(b"end").await, [&b"end"[..]]);
    assert_eq!(data(&ear.take(2).await), ["1", "2"]);
}
