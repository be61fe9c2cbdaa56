//! A Socket.IO client as small as can be, over polling or a WebSocket, for one namespace.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::wait::within;

const SOON: Duration = Duration::from_secs(20);
/// What a browser calls itself: such clients can go on where they stood.
const BROWSER: &str = "Mozilla/5.0";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Requests of a client that polls.
#[derive(Debug)]
pub struct Polling {
    http: reqwest::Client,
    pub sid: String,
}

/// What carries the client's packets.
#[derive(Debug)]
enum Carrier {
    /// With the ports that it asks, one after the other.
    Polling {
        polling: Polling,
        ports: Vec<u16>,
        turn: usize,
    },
    Socket(Box<Socket>),
}

#[derive(Debug)]
pub struct SocketIo {
    carrier: Carrier,
    /// Packets that were read and not looked at.
    waiting: VecDeque<String>,
    /// What the namespace was entered with.
    pub entered: Value,
}

/// The address of a request.
pub fn address(port: u16, query: &str) -> String {
    format!("http://127.0.0.1:{port}/socket.io/?EIO=4&{query}")
}

impl Polling {
    pub async fn open(port: u16) -> Result<Self> {
        let http = reqwest::Client::new();
        let asked = http
            .get(address(port, "transport=polling"))
            .header(USER_AGENT, BROWSER);
        let text = asked.send().await?.error_for_status()?.text().await?;
        let opened: Value = serde_json::from_str(text.strip_prefix('0').context("no open packet")?)?;
        let sid = opened["sid"].as_str().context("no sid")?.to_owned();
        Ok(Self { http, sid })
    }

    /// Status and body of the answer.
    pub async fn get(&self, port: u16) -> Result<(u16, String)> {
        let query = format!("transport=polling&sid={}", self.sid);
        let answer = self.http.get(address(port, &query)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    pub async fn post(&self, port: u16, body: &str) -> Result<(u16, String)> {
        let query = format!("transport=polling&sid={}", self.sid);
        let asked = self
            .http
            .post(address(port, &query))
            .header(CONTENT_TYPE, "text/plain");
        let answer = asked.body(body.to_owned()).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Goes over to a WebSocket by this port, as the library does.
    pub async fn upgrade(self, port: u16) -> Result<Socket> {
        let url = address(port, &format!("transport=websocket&sid={}", self.sid));
        let (mut socket, _) = connect_async(url.replace("http:", "ws:")).await?;
        let last = tokio::spawn(async move { self.get(port).await });
        socket.send(Message::text("2probe")).await?;
        ensure!(text(&mut socket).await? == "3probe", "the trial was not answered");
        let (status, body) = last.await??;
        ensure!(
            status == 200 && body == "6",
            "the last poll brought {status} {body}"
        );
        socket.send(Message::text("5")).await?;
        Ok(socket)
    }
}

impl SocketIo {
    /// Polls these ports in turn, and enters the namespace `/` with this.
    pub async fn polling(ports: &[u16], offer: &str) -> Result<Self> {
        let polling = Polling::open(ports[0]).await?;
        let carrier = Carrier::Polling {
            polling,
            ports: ports.to_vec(),
            turn: 0,
        };
        Self::enter(carrier, offer).await
    }

    pub async fn websocket(port: u16) -> Result<Self> {
        let url = address(port, "transport=websocket").replace("http:", "ws:");
        let (mut socket, _) = connect_async(url).await?;
        ensure!(text(&mut socket).await?.starts_with('0'), "no open packet");
        Self::enter(Carrier::Socket(Box::new(socket)), "").await
    }

    /// Begins by polling one port, and goes over to a WebSocket by another.
    pub async fn upgraded(port: u16, other: u16) -> Result<Self> {
        let socket = Polling::open(port).await?.upgrade(other).await?;
        Self::enter(Carrier::Socket(Box::new(socket)), "").await
    }

    async fn enter(carrier: Carrier, offer: &str) -> Result<Self> {
        let mut client = Self {
            carrier,
            waiting: VecDeque::new(),
            entered: Value::Null,
        };
        client.send(&format!("0{offer}")).await?;
        let packet = client.packet().await?;
        let entered = packet
            .strip_prefix('0')
            .with_context(|| format!("not entered: {packet}"))?;
        client.entered = serde_json::from_str(entered)?;
        Ok(client)
    }

    /// Sends a Socket.IO packet.
    pub async fn send(&mut self, packet: &str) -> Result<()> {
        self.send_engine(&format!("4{packet}")).await
    }

    pub async fn emit(&mut self, event: &str, data: &Value) -> Result<()> {
        self.send(&format!("2{}", serde_json::json!([event, data]))).await
    }

    async fn send_engine(&mut self, packet: &str) -> Result<()> {
        match &mut self.carrier {
            Carrier::Polling { polling, ports, turn } => {
                *turn += 1;
                let (status, body) = polling.post(ports[*turn % ports.len()], packet).await?;
                ensure!(
                    status == 200 && body == "ok",
                    "a POST was answered by {status} {body}"
                );
            }
            Carrier::Socket(socket) => socket.send(Message::text(packet.to_owned())).await?,
        }
        Ok(())
    }

    /// The next Socket.IO packet.
    pub async fn packet(&mut self) -> Result<String> {
        within(SOON, "a packet", self.read()).await
    }

    /// The next event of this name, and its first argument; others are passed over.
    pub async fn event(&mut self, name: &str) -> Result<Value> {
        loop {
            let packet = self.packet().await?;
            let Some(array) = packet.strip_prefix('2') else {
                continue;
            };
            let mut array: Value = serde_json::from_str(array)?;
            if array[0] == name {
                return Ok(array[1].take());
            }
        }
    }

    async fn read(&mut self) -> Result<String> {
        loop {
            if let Some(packet) = self.waiting.pop_front() {
                if let Some(message) = packet.strip_prefix('4') {
                    return Ok(message.to_owned());
                }
                match packet.as_str() {
                    "2" => Box::pin(self.send_engine("3")).await?,
                    "1" => bail!("the server ended the session"),
                    _ => {}
                }
                continue;
            }
            let read = match &mut self.carrier {
                Carrier::Polling { polling, ports, turn } => {
                    *turn += 1;
                    let (status, body) = polling.get(ports[*turn % ports.len()]).await?;
                    ensure!(status == 200, "a GET was answered by {status} {body}");
                    body
                }
                Carrier::Socket(socket) => text(socket).await?,
            };
            self.waiting.extend(read.split('\u{1e}').map(str::to_owned));
        }
    }
}

async fn text(socket: &mut Socket) -> Result<String> {
    loop {
        match socket.next().await.context("the WebSocket is at its end")?? {
            Message::Text(text) => return Ok(text.to_string()),
            Message::Close(frame) => bail!("closed: {frame:?}"),
            _ => {}
        }
    }
}
