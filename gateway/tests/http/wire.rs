//! A client that writes bytes as they are and reads answers: what well-behaved clients cannot send
//! has to be sent too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Checks that it is a problem document with this status and code, and gives its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], status);
        assert_eq!(document["code"], code, "{document}");
        document["detail"].as_str().expect("a detail").to_owned()
    }
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.expect("connects"),
            unread: Vec::new(),
        }
    }

    /// A peer that has stopped listening is an answer too, so errors are for the reader to see.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Whether the peer still takes them.
    pub(crate) async fn is_taken(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// So many bytes that come next.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let reading = async { while self.unread.len() < count && self.fill().await {} };
        tokio::time::timeout(DEADLINE, reading).await.expect("in time");
        assert!(self.unread.len() >= count, "the connection ended");
        self.unread.drain(..count).collect()
    }

    /// The next answer, or `None` if the connection ended first.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(DEADLINE, self.read_answer())
            .await
            .expect("an answer in time")
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn closed(&mut self) {
        let reading = async { while self.fill().await {} };
        tokio::time::timeout(DEADLINE, reading)
            .await
            .expect("closed in time");
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).expect("ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .expect("a status line")
            .split(' ')
            .nth(1)
            .expect("a status");
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().expect("a number"));
        while self.unread.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        Some(Answer {
            status: status.parse().expect("a number"),
            body: self.unread.drain(..length).collect(),
            headers,
        })
    }

    /// False at the end of the stream.
    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.unread).await, Ok(1..))
    }
}

/// One request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut wire = Wire::connect(address).await;
    wire.send(request).await;
    wire.answer().await.expect("an answer")
}

/// `GET` without anything special about it.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n")).await
}
