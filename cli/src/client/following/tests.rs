use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;

/// A gateway that does what the test says.
struct Gateway {
    listener: TcpListener,
}

impl Gateway {
    async fn start() -> (Self, Target) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let target = format!("http://{address}").parse().expect("a URL");
        (Self { listener }, target)
    }

    async fn accept(&self) -> Client {
        let (socket, _) = self.listener.accept().await.expect("a client");
        let mut client = Client(accept_async(socket).await.expect("a handshake"));
        client.send(r#"{"type":"welcome","ping_ms":25000}"#).await;
        client
    }
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("sent");
    }

    async fn command(&mut self) -> Value {
        let message = self.0.next().await.expect("a message").expect("readable");
        serde_json::from_str(message.to_text().expect("text")).expect("JSON")
    }

    async fn close(mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "because".into(),
        };
        self.0.close(Some(frame)).await.expect("closed");
    }
}

fn follow(target: Target) -> Following {
    Following::new(target, Follower::topics(["t".to_owned()]), || 0.0)
}

/// What the follower saw up to and including the entry `last`.
async fn entries(following: &mut Following, last: u64) -> Vec<u64> {
    let mut offsets = Vec::new();
    let until = async {
        while offsets.last() != Some(&last) {
            if let Step::Event(Event::Entry(entry)) = following.next().await.expect("it goes on") {
                offsets.extend(entry.offset);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), until)
        .await
        .expect("in time");
    offsets
}

#[tokio::test]
async fn a_lost_connection_is_resumed_where_it_broke() {
    let (gateway, target) = Gateway::start().await;
    let server = tokio::spawn(async move {
        let mut client = gateway.accept().await;
        assert_eq!(client.command().await["since"], Value::Null);
        client
            .send(r#"{"type":"subscribed","id":1,"topic":"t","epoch":"e","offset":0,"tag":""}"#)
            .await;
        client
            .send(r#"{"type":"message","topic":"t","data":1,"offset":1,"tag":"a"}"#)
            .await;
        client
            .send(r#"{"type":"message","topic":"t","data":2,"offset":2,"tag":"b"}"#)
            .await;
        drop(client);
        let mut client = gateway.accept().await;
        let since = client.command().await["since"].clone();
        client.send(r#"{"type":"subscribed","id":2,"topic":"t","epoch":"e","offset":3,"tag":"c","recovered":true}"#).await;
        client
            .send(r#"{"type":"message","topic":"t","data":2,"offset":2,"tag":"b"}"#)
            .await;
        client
            .send(r#"{"type":"message","topic":"t","data":3,"offset":3,"tag":"c"}"#)
            .await;
        (since, client)
    });
    let mut following = follow(target);
    assert_eq!(entries(&mut following, 3).await, [1, 2, 3]);
    let (since, _) = server.await.expect("the server's part");
    assert_eq!(since, serde_json::json!({"epoch": "e", "offset": 2, "tag": "b"}));
}

#[tokio::test]
async fn a_close_that_forbids_to_come_back_is_obeyed() {
    let (gateway, target) = Gateway::start().await;
    let server = tokio::spawn(async move { gateway.accept().await.close(3501).await });
    let mut following = follow(target);
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Err(ended) = following.next().await {
                break ended;
            }
        }
    });
    let text = ended.await.expect("in time").to_string();
    assert!(text.contains("because (code 3501)"), "{text}");
    server.await.expect("the server's part");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_tried_again() {
    let (gateway, target) = Gateway::start().await;
    drop(gateway);
    let mut following = follow(target);
    for _ in 0..2 {
        match following.next().await.expect("it goes on") {
            Step::Notice(Notice::Lost { reason, .. }) => {
                assert!(reason.contains("cannot connect"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_no_websocket_ends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}", listener.local_addr().expect("bound"));
    let server = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut socket, _) = listener.accept().await.expect("a client");
        let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.expect("written");
        socket
    });
    let mut following = follow(target.parse().expect("a URL"));
    let ended = following.next().await.expect_err("it is no gateway");
    assert!(ended.to_string().contains("HTTP 404"), "{ended}");
    server.await.expect("the server's part");
}
