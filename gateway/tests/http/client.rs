//! A WebSocket client of a node.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::node::Node;
use crate::wire::DEADLINE;

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) session: String,
}

impl Client {
    pub(crate) async fn connect(node: &Node) -> Self {
        let (socket, _) = connect_async(format!("ws://{}/ws", node.client))
            .await
            .expect("connects");
        let mut client = Self {
            socket,
            session: String::new(),
        };
        let welcome = client.next().await;
        welcome["session"]
            .as_str()
            .expect("a session")
            .clone_into(&mut client.session);
        client
    }

    pub(crate) async fn message(&mut self) -> Message {
        self.message_within(DEADLINE).await
    }

    /// The next message, which may take its time.
    pub(crate) async fn message_within(&mut self, time: Duration) -> Message {
        loop {
            let message = tokio::time::timeout(time, self.socket.next()).await;
            let message = message.expect("in time").expect("not ended").expect("no error");
            if !matches!(message, Message::Ping(_)) {
                return message;
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        self.next_within(DEADLINE).await
    }

    pub(crate) async fn next_within(&mut self, time: Duration) -> Value {
        match self.message_within(time).await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, command: Value) {
        self.socket
            .send(Message::text(command.to_string()))
            .await
            .expect("sent");
    }

    /// The answer, which must come next.
    pub(crate) async fn ask(&mut self, command: Value) -> Value {
        self.send(command).await;
        self.next().await
    }

    /// The answer, whatever is told before it.
    pub(crate) async fn call(&mut self, mut command: Value) -> Value {
        command["id"] = json!("call");
        self.send(command).await;
        loop {
            let message = self.next().await;
            if message["id"] == "call" {
                return message;
            }
        }
    }
}
