//! What endpoints of the dialect `rpc` have of their own: how many may come, and how often they are asked whether they
//! are there. What is spoken is in `tests/golden/pileup/`.

use std::time::Duration;

use futures_util::StreamExt;
use tidegate_gateway::Options;
use tidegate_shared::config::{Config, DialectName};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::node::{self, Node};
use crate::wire::{DEADLINE, get};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn config(connections: usize, ping: Duration) -> Config {
    let mut config = node::config();
    for endpoint in &mut config.endpoints {
        if endpoint.dialect == DialectName::RPC {
            (endpoint.connections, endpoint.ping) = (connections, Some(ping));
        }
    }
    config
}

/// Or the status of the refusal.
async fn connect(node: &Node) -> Result<Socket, u16> {
    match connect_async(format!("ws://{}/ws/connect", node.client)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn next(socket: &mut Socket) -> Message {
    let next = tokio::time::timeout(DEADLINE, socket.next()).await;
    next.expect("in time").expect("not ended").expect("no error")
}

#[tokio::test]
async fn one_more_than_may_come_is_refused_until_another_has_gone() {
    let node = Node::start_with(config(2, Duration::from_secs(30)), Options::default());
    let first = connect(&node).await.expect("room");
    let mut second = connect(&node).await.expect("room");
    assert!(
        next(&mut second)
            .await
            .to_string()
            .contains("\"event\":\"connected\"")
    );
    assert_eq!(connect(&node).await.err(), Some(403));
    let metrics = get(node.admin, "/metrics").await.text();
    assert!(metrics.contains("tidegate_connections_rejected_total{reason=\"endpoint\"} 1\n"));
    drop(first);
    let again = async {
        while connect(&node).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, again).await.expect("room again");
}

#[tokio::test]
async fn pings_come_as_often_as_the_endpoint_says() {
    let node = Node::start_with(config(1, Duration::from_millis(100)), Options::default());
    let mut socket = connect(&node).await.expect("room");
    let mut pings = 0;
    while pings < 3 {
        pings += usize::from(matches!(next(&mut socket).await, Message::Ping(_)));
    }
}
