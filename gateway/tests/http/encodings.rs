//! What a client may agree on in its handshake: MessagePack, compression, and an endpoint that echoes.

use flate2::{Decompress, FlushDecompress};
use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::config::{DialectName, Endpoint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::{Node, config};
use crate::wire::DEADLINE;

/// A client that reads and writes frames itself, as it may have agreed on anything.
struct Client {
    stream: TcpStream,
    /// The answer to its handshake.
    head: String,
}

/// The first byte of a frame, and its payload as it came.
type Frame = (u8, Vec<u8>);

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const RSV1: u8 = 0x40;

impl Client {
    async fn connect(node: &Node, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(node.client).await.expect("connects");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n",
            node.client
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a response"));
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        Self { stream, head }
    }

    async fn send(&mut self, first: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).expect("short");
        let mut frame = vec![first, 0xfe];
        if length < 126 {
            frame[1] = 0x80 | u8::try_from(length).expect("short");
        } else {
            frame.extend(length.to_be_bytes());
        }
        // A mask of zeros leaves the payload as it is.
        frame.extend([0; 4]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await.expect("sent");
    }

    async fn next(&mut self) -> Frame {
        let read = async {
            let first = self.stream.read_u8().await?;
            let length = match self.stream.read_u8().await? {
                126 => usize::from(self.stream.read_u16().await?),
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await?;
            Ok::<_, std::io::Error>((first, payload))
        };
        let read = tokio::time::timeout(DEADLINE, read).await;
        read.expect("in time").expect("a frame")
    }
}

/// What a frame's payload says, decompressed if need be.
fn plain((first, payload): &Frame) -> Vec<u8> {
    if first & RSV1 == 0 {
        return payload.clone();
    }
    let mut plain = Vec::with_capacity(1 << 20);
    Decompress::new(false)
        .decompress_vec(
            &[&payload[..], &[0, 0, 0xff, 0xff]].concat(),
            &mut plain,
            FlushDecompress::Sync,
        )
        .expect("deflate");
    plain
}

#[tokio::test]
async fn a_client_of_the_subprotocol_speaks_message_pack_and_hears_it() {
    let node = Node::start();
    let mut client = Client::connect(&node, "/ws", "sec-websocket-protocol: tidegate.msgpack\r\n").await;
    assert!(
        client
            .head
            .contains("sec-websocket-protocol: tidegate.msgpack\r\n")
    );
    let (first, welcome) = client.next().await;
    assert_eq!(first, BINARY);
    assert_eq!(welcome[..14], *b"\x86\xa4type\xa7welcome");
    client
        .send(
            BINARY,
            b"\x83\xa6action\xa9subscribe\xa5topic\xa4demo\xa2id\xcd\x04\xd2",
        )
        .await;
    let (first, subscribed) = client.next().await;
    assert_eq!(
        (first, &subscribed[..17]),
        (BINARY, &b"\x86\xa4type\xaasubscribed"[..])
    );
    assert!(subscribed.windows(6).any(|six| six == b"\xa2id\xcd\x04\xd2"));

    let answer = node
        .post(
            "/api/publish",
            &json!({"topic": "demo", "data": {"n": 1u64 << 60, "x": [0.5, null]}}),
        )
        .await;
    assert_eq!(answer.status, 200);
    let (first, message) = client.next().await;
    assert_eq!(first, BINARY);
    let data = b"\xa4data\x82\xa1n\xcf\x10\0\0\0\0\0\0\0\xa1x\x92\xcb\x3f\xe0\0\0\0\0\0\0\xc0";
    assert!(
        message.windows(data.len()).any(|part| part == data),
        "{message:02x?}"
    );

    // Text is understood all the same, and answered in what was agreed on.
    client.send(TEXT, br#"{"action":"ping","id":"a"}"#).await;
    assert_eq!(
        client.next().await,
        (BINARY, b"\x82\xa4type\xa4pong\xa2id\xa1a".to_vec())
    );
    client.send(BINARY, b"\xc1").await;
    let (_, error) = client.next().await;
    let said = String::from_utf8_lossy(&error).into_owned();
    assert!(said.contains("no valid MessagePack"), "{said}");
}

#[tokio::test]
async fn message_pack_without_the_subprotocol_is_answered_in_json() {
    let node = Node::start();
    let mut client = Client::connect(&node, "/ws", "sec-websocket-protocol: other\r\n").await;
    assert!(!client.head.contains("sec-websocket-protocol"));
    assert_eq!(client.next().await.0, TEXT, "the welcome");
    client.send(BINARY, b"\x82\xa6action\xa4ping\xa2id\x01").await;
    assert_eq!(client.next().await, (TEXT, br#"{"type":"pong","id":1}"#.to_vec()));
}

#[tokio::test]
async fn large_messages_are_compressed_where_that_was_agreed_on_and_small_ones_are_not() {
    let node = Node::start();
    let offer = "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n";
    let small = "sec-websocket-extensions: permessage-deflate; server_max_window_bits=10\r\n";
    let binary = format!("{offer}sec-websocket-protocol: tidegate.msgpack\r\n");
    let mut clients = Vec::new();
    for headers in ["", offer, small, &binary] {
        let mut client = Client::connect(&node, "/ws", headers).await;
        assert_eq!(
            headers.contains("deflate"),
            client.head.contains("permessage-deflate")
        );
        client.next().await;
        client
            .send(TEXT, br#"{"action":"subscribe","topic":"demo","id":1}"#)
            .await;
        assert_eq!(client.next().await.0 & RSV1, 0, "small");
        clients.push(client);
    }
    let data: Vec<Value> = (0..100)
        .map(|n| json!({"name": "a station", "level": n}))
        .collect();
    let answer = node
        .post("/api/publish", &json!({"topic": "demo", "data": data}))
        .await;
    assert_eq!(answer.status, 200);
    let mut frames = Vec::new();
    for client in &mut clients {
        frames.push(client.next().await);
    }
    let [uncompressed, full, near, packed] = &frames[..] else {
        panic!("four frames")
    };
    assert_eq!(
        [uncompressed.0, full.0, near.0, packed.0],
        [TEXT, TEXT | RSV1, TEXT | RSV1, BINARY | RSV1]
    );
    assert!(full.1.len() * 5 < uncompressed.1.len());
    assert_eq!(plain(full), uncompressed.1);
    assert_eq!(plain(near), uncompressed.1);
    let text: Value = serde_json::from_slice(&uncompressed.1).expect("JSON");
    assert_eq!(text["data"], json!(data));
    assert!(plain(packed).windows(9).any(|nine| nine == b"a station"));
}

#[tokio::test]
async fn an_echo_endpoint_gives_messages_back_and_lets_go_when_the_node_ends() {
    let mut config = config();
    config.endpoints.push(Endpoint {
        anonymous: true,
        ..Endpoint::new("/echo", DialectName::ECHO)
    });
    let node = Node::start_with(config, Options::default());
    let offer = "sec-websocket-extensions: permessage-deflate\r\n";
    let mut client = Client::connect(&node, "/echo", offer).await;
    client.send(TEXT, b"no JSON").await;
    assert_eq!(client.next().await, (TEXT, b"no JSON".to_vec()));
    client.send(BINARY, &[7; 1000]).await;
    let frame = client.next().await;
    assert_eq!((frame.0, plain(&frame)), (BINARY | RSV1, vec![7; 1000]));
    // "Hello", as RFC 7692 §7.2.3.1 compresses it.
    client.send(TEXT | RSV1, b"\xf2\x48\xcd\xc9\xc9\x07\x00").await;
    assert_eq!(client.next().await, (TEXT, b"Hello".to_vec()));
    client.send(TEXT | RSV1, b"\xff\xff").await;
    assert_eq!(client.next().await, (0x88, b"\x03\xefinvalid_payload".to_vec()));

    let mut idle = Client::connect(&node, "/echo", "").await;
    node.shutdown.cancel();
    assert_eq!(idle.next().await, (0x88, b"\x03\xf4service_restart".to_vec()));
    drop(idle);
    drop(client);
    assert!(node.ended().await.is_ok());
}
