//! A client of the native dialect: commands with replies, and pushes in the order they came.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::wait::within;

/// For anything the server should do at once.
pub const SOON: Duration = Duration::from_secs(10);

/// Bytes; Linux takes twice as much.
const NARROW: u32 = 4_096;

#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    welcome: Value,
    next_id: u64,
    /// Pushes that came while a reply was waited for.
    pushes: VecDeque<Value>,
}

/// What a connection gives.
#[derive(Debug)]
pub enum Received {
    Frame(Value),
    /// The close frame's code and reason, if there was one: without, the connection just broke.
    Closed(Option<(u16, String)>),
}

impl Client {
    /// Connects and reads the welcome, the first frame on every connection.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_by(url.into_client_request()?).await
    }

    /// The same by a handshake with another header.
    pub async fn connect_with(url: &str, header: &'static str, value: &str) -> Result<Self> {
        let mut request = url.into_client_request()?;
        request.headers_mut().insert(header, value.parse()?);
        Self::connect_by(request).await
    }

    async fn connect_by(request: Request) -> Result<Self> {
        let (socket, _) = within(SOON, "a WebSocket", async { Ok(connect_async(request).await?) }).await?;
        Self::begin(socket).await
    }

    /// The same, to a port of this machine, with a kernel buffer that is full soon when nobody reads.
    pub async fn connect_narrowly(url: &str) -> Result<Self> {
        let (_, rest) = url.split_once("://").context("a URL")?;
        let address = rest.split('/').next().unwrap_or_default().parse()?;
        let connecting = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(NARROW)?;
            let stream = MaybeTlsStream::Plain(socket.connect(address).await?);
            Ok(client_async(url, stream).await?)
        };
        let (socket, _) = within(SOON, "a WebSocket", connecting).await?;
        Self::begin(socket).await
    }

    async fn begin(socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<Self> {
        let mut client = Self {
            socket,
            welcome: Value::Null,
            next_id: 0,
            pushes: VecDeque::new(),
        };
        let welcome = client.frame().await?;
        ensure!(
            welcome["type"] == "welcome",
            "the first frame is no welcome: {welcome}"
        );
        client.welcome = welcome;
        Ok(client)
    }

    pub fn welcome(&self) -> &Value {
        &self.welcome
    }

    /// The gateway that it came out at.
    pub fn node(&self) -> &str {
        self.welcome["node"].as_str().unwrap_or_default()
    }

    /// Sends a command and gives its reply, which may be an error.
    pub async fn ask(&mut self, mut command: Value) -> Result<Value> {
        self.next_id += 1;
        command["id"] = json!(self.next_id);
        self.send(&command).await?;
        loop {
            let frame = self
                .frame()
                .await
                .with_context(|| format!("no reply to {command}"))?;
            if frame["id"] == command["id"] {
                return Ok(frame);
            }
            self.pushes.push_back(frame);
        }
    }

    /// Sends a command and gives its reply of this type. An error frame is an error.
    pub async fn call(&mut self, reply: &str, command: Value) -> Result<Value> {
        let frame = self.ask(command.clone()).await?;
        ensure!(frame["type"] == reply, "{command} was answered by {frame}");
        Ok(frame)
    }

    pub async fn subscribe(&mut self, topic: &str) -> Result<Value> {
        self.call("subscribed", json!({ "action": "subscribe", "topic": topic }))
            .await
    }

    pub async fn publish(&mut self, topic: &str, data: Value) -> Result<Value> {
        self.call(
            "published",
            json!({ "action": "publish", "topic": topic, "data": data }),
        )
        .await
    }

    /// Sends a frame without waiting for anything.
    pub async fn send(&mut self, command: &Value) -> Result<()> {
        self.send_text(&command.to_string()).await
    }

    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// The next push, or error frame without an id.
    pub async fn push(&mut self) -> Result<Value> {
        match self.pushes.pop_front() {
            Some(push) => Ok(push),
            None => self.frame().await,
        }
    }

    /// The next push of this type; others are passed over.
    pub async fn push_of(&mut self, kind: &str) -> Result<Value> {
        loop {
            let push = self.push().await?;
            if push["type"] == kind {
                return Ok(push);
            }
        }
    }

    /// The next frame, which must come soon.
    pub async fn frame(&mut self) -> Result<Value> {
        match within(SOON, "a frame", self.receive()).await? {
            Received::Frame(frame) => Ok(frame),
            Received::Closed(Some((code, reason))) => bail!("closed with {code} {reason}"),
            Received::Closed(None) => bail!("the connection broke"),
        }
    }

    /// The next push or the end, however long it takes.
    pub async fn next(&mut self) -> Result<Received> {
        match self.pushes.pop_front() {
            Some(push) => Ok(Received::Frame(push)),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Result<Received> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
                    return Ok(Received::Frame(frame));
                }
                Some(Ok(Message::Close(close))) => {
                    let close = close.map(|close| (close.code.into(), close.reason.to_string()));
                    return Ok(Received::Closed(close));
                }
                Some(Ok(Message::Binary(_))) => bail!("a binary frame on a connection that speaks JSON"),
                // tungstenite answers pings itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => return Ok(Received::Closed(None)),
            }
        }
    }

    /// Closes by the book and gives the code that the server answered with.
    pub async fn close(mut self) -> Result<Option<u16>> {
        self.socket.close(None).await?;
        loop {
            match within(SOON, "the end of the close handshake", self.receive()).await? {
                Received::Closed(close) => return Ok(close.map(|(code, _)| code)),
                Received::Frame(_) => {}
            }
        }
    }
}
