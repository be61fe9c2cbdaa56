//! A client of event streams.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::Node;
use crate::wire::DEADLINE;

/// A stream as it comes over HTTP/1.0, which ends with its connection and has no chunks.
pub(crate) struct Stream {
    socket: TcpStream,
    pub(crate) head: String,
    text: String,
    /// Of the last event that had one.
    pub(crate) id: String,
    pub(crate) retry: Option<u64>,
    comments: usize,
}

impl Stream {
    pub(crate) async fn open(node: &Node, path: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(node.client).await.expect("connects");
        let request = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n{headers}\r\n", node.client);
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut stream = Self {
            socket,
            head: String::new(),
            text: String::new(),
            id: String::new(),
            retry: None,
            comments: 0,
        };
        let head = stream.until("\r\n\r\n").await.expect("an answer");
        assert!(head.contains(" 200 "), "{head} {}", stream.text);
        stream.head = head;
        stream
    }

    /// Opened, and past its welcome.
    pub(crate) async fn follow(node: &Node, topics: &str, id: &str) -> Self {
        let header = if id.is_empty() {
            String::new()
        } else {
            format!("last-event-id: {id}\r\n")
        };
        let mut stream = Self::open(node, &format!("/events?{topics}"), &header).await;
        let welcome = stream.next().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        stream
    }

    pub(crate) async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(DEADLINE, self.socket.read(&mut buffer));
            let read = read.await.expect("something in time").unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.text
                .push_str(std::str::from_utf8(&buffer[..read]).expect("ASCII"));
        }
    }

    /// The next event's data; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Value> {
        loop {
            let block = self.until("\n\n").await?;
            let mut data = None;
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => id.clone_into(&mut self.id),
                    Some(("retry", time)) => self.retry = time.parse().ok(),
                    Some(("data", text)) => data = Some(serde_json::from_str(text).expect("JSON")),
                    Some(("", "")) => self.comments += 1,
                    _ => assert_eq!(line, "", "an unknown line"),
                }
            }
            if data.is_some() {
                return data;
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        self.event().await.expect("another event")
    }
}
