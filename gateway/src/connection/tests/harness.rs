//! Nodes over the embedded backend, and clients on real sockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use prometheus::Registry;
use serde_json::Value;
use tidegate_shared::backend::Backend;
use tidegate_shared::config::Config;
use tidegate_shared::embedded::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_util::sync::CancellationToken;

use crate::connection::{Peer, serve};
use crate::dialect::Format;
use crate::node::Node;
use crate::transport::ws::{SendQueue, WebSocket};

/// Longer than anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct TestNode {
    pub(super) node: Arc<Node>,
    pub(super) registry: Registry,
    pub(super) shutdown: CancellationToken,
}

pub(super) fn config(change: impl FnOnce(&mut Config)) -> Arc<Config> {
    let mut config = Config::default();
    // Tests are quicker than clients.
    config.limits.commands_per_second = 0;
    change(&mut config);
    config.open_to_anyone();
    Arc::new(config)
}

pub(super) fn start(config: &Arc<Config>, store: &Arc<Store>) -> TestNode {
    start_on(config, store.open())
}

pub(super) fn start_on(config: &Arc<Config>, backend: Backend) -> TestNode {
    let registry = Registry::new();
    let shutdown = CancellationToken::new();
    let node = Node::start(config.clone(), backend, &registry, shutdown.clone()).expect("a fresh broker");
    TestNode {
        node,
        registry,
        shutdown,
    }
}

/// A node of its own with the default configuration.
pub(super) fn alone() -> TestNode {
    let config = config(|_| {});
    let store = Store::new(config.namespaces.clone());
    start(&config, &store)
}

impl TestNode {
    /// A client that has read its welcome.
    pub(super) async fn client(&self) -> Client {
        let mut client = self.newcomer().await;
        let welcome = client.next().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        client
    }

    pub(super) async fn newcomer(&self) -> Client {
        let stream = self.stream().await;
        Client {
            socket: WebSocketStream::from_raw_socket(stream, Role::Client, None).await,
        }
    }

    /// The client's end of a connection that is served.
    pub(super) async fn stream(&self) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let (ours, _) = ours.expect("accepted");
        ours.set_nodelay(true).expect("a socket");
        let socket = WebSocket::new(ours, Bytes::new(), self.node.config.limits.message);
        let peer = Peer {
            format: Format::NATIVE,
            identity: None,
            introduction: None,
            from: None,
            entrance: Arc::default(),
            trace: None,
            writer: None,
            config: self.node.config.clone(),
        };
        tokio::spawn(serve(socket, SendQueue::new(), &self.node, &peer));
        theirs.expect("connected")
    }

    /// The value of a metric, its labels summed up unless `label` names one of them.
    #[expect(clippy::cast_possible_truncation, reason = "these count whole things")]
    pub(super) fn metric(&self, name: &str, label: Option<&str>) -> i64 {
        let families = self.registry.gather();
        let family = families
            .iter()
            .find(|family| family.name() == name)
            .unwrap_or_else(|| panic!("no metric {name}"));
        family
            .get_metric()
            .iter()
            .filter(|metric| {
                label.is_none_or(|label| metric.get_label().iter().any(|one| one.value() == label))
            })
            .map(|metric| {
                metric.get_counter().get_value()
                    + metric.get_gauge().get_value()
                    + f64::from(u32::try_from(metric.get_histogram().get_sample_count()).unwrap_or(u32::MAX))
            })
            .sum::<f64>() as i64
    }
}

pub(super) struct Client {
    pub(super) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(super) async fn send(&mut self, command: Value) {
        self.send_text(&command.to_string()).await;
    }

    pub(super) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("sent");
    }

    pub(super) async fn message(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.socket.next())
            .await
            .expect("something comes in time")
            .expect("the connection is open")
            .expect("a valid frame")
    }

    /// The next message, which must be JSON.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("a text was expected, this came: {other:?}"),
            }
        }
    }

    /// Sends a command and reads its answer, which must be the next message.
    pub(super) async fn ask(&mut self, command: Value) -> Value {
        let id = command["id"].clone();
        self.send(command).await;
        let reply = self.next().await;
        assert_eq!(reply["id"], id, "{reply}");
        reply
    }

    pub(super) async fn close(&mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.socket.send(Message::Close(Some(frame))).await.expect("sent");
    }

    /// Reads to the close frame and gives its code.
    pub(super) async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(reason) = self.message().await {
                return reason.map_or(1005, |reason| reason.code.into());
            }
        }
    }
}
