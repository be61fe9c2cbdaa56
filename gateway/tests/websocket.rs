//! The transport over real TCP: against a client that is not ours, and against raw bytes.

#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its own functions too"
)]

#[path = "../examples/echo/server.rs"]
mod server;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use tidegate_gateway::transport::accept::{self, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_util::sync::CancellationToken;

const LIMIT: usize = 100_000;
const SOON: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    registry: prometheus::Registry,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(settings: Settings) -> Self {
        Self::with(server::router(LIMIT), settings).await
    }

    async fn with(router: Router, settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let registry = prometheus::Registry::new();
        let metrics = accept::Metrics::register(&registry).expect("registered");
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(accept::serve(
            listener,
            router,
            settings,
            metrics,
            shutdown.clone(),
        ));
        Self {
            address,
            registry,
            shutdown,
            serving,
        }
    }

    async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// A connection after its handshake.
    async fn open(&self) -> TcpStream {
        let mut stream = self.raw().await;
        stream.write_all(HANDSHAKE).await.expect("sent");
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
    }

    async fn end(self) {
        self.shutdown.cancel();
        timeout(SOON, self.serving)
            .await
            .expect("in time")
            .expect("no panic");
    }

    fn metrics(&self) -> String {
        let families = self.registry.gather();
        prometheus::TextEncoder::new()
            .encode_to_string(&families)
            .expect("text")
    }
}

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Reads to the empty line and not a byte further.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let read = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a response"));
        }
    };
    timeout(SOON, read).await.expect("in time");
    String::from_utf8(head).expect("text")
}

/// Everything up to the orderly end of the stream; a reset is a failure.
async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .expect("in time")
        .expect("an orderly end");
    bytes
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    assert!(length < 126);
    let mut frame = vec![first, 0x80 | length, 1, 2, 3, 4];
    frame.extend(
        payload
            .iter()
            .enumerate()
            .map(|(i, byte)| byte ^ [1, 2, 3, 4][i % 4]),
    );
    frame
}

async fn assert_echoes(server: &Server) {
    let mut stream = server.open().await;
    stream
        .write_all(&masked(0x81, b"still there?"))
        .await
        .expect("sent");
    let mut answer = [0; 14];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"\x81\x0cstill there?");
}

#[tokio::test]
async fn another_implementations_client_gets_its_messages_back() {
    let server = Server::start(server::settings()).await;
    let url = format!("ws://{}/", server.address);
    let (mut client, response) = tokio_tungstenite::connect_async(&url).await.expect("connected");
    assert_eq!(response.status(), 101);
    let messages = [
        Message::text("hello"),
        Message::text(""),
        Message::text("κόσμε 😀".repeat(2000)),
        Message::binary(Bytes::from(vec![0xff; 125])),
        Message::binary(Bytes::from(vec![0xff; 126])),
        Message::binary(Bytes::from(vec![7; 65_535])),
        Message::binary(Bytes::from(vec![7; 65_536])),
        Message::binary(Bytes::from(vec![7; LIMIT])),
    ];
    for message in messages {
        client.send(message.clone()).await.expect("sent");
        let answer = timeout(SOON, client.next())
            .await
            .expect("in time")
            .expect("open")
            .expect("no error");
        assert!(
            answer == message,
            "{} bytes came back as {}",
            message.len(),
            answer.len()
        );
    }
    client.send(Message::Ping("payload".into())).await.expect("sent");
    assert_eq!(
        client.next().await.expect("open").expect("no error"),
        Message::Pong("payload".into())
    );
    let bye = CloseFrame {
        code: 3999.into(),
        reason: "bye".into(),
    };
    client.close(Some(bye)).await.expect("sent");
    let Some(Ok(Message::Close(Some(answer)))) = client.next().await else {
        panic!("no close frame came back");
    };
    assert_eq!(u16::from(answer.code), 3999);
    assert!(client.next().await.is_none());
    server.end().await;
}

#[tokio::test]
async fn every_protocol_mistake_gets_its_close_code_and_the_process_goes_on() {
    let server = Server::start(server::settings()).await;
    let length_64 = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[1, 2, 3, 4]].concat();
    let mistakes: &[(&str, Vec<u8>, u16)] = &[
        ("unmasked", b"\x81\x05hello".to_vec(), 1002),
        ("rsv1", masked(0xc1, b"x"), 1002),
        ("rsv2", masked(0xa1, b"x"), 1002),
        ("rsv3", masked(0x91, b"x"), 1002),
        ("opcode 3", masked(0x83, b"x"), 1002),
        ("opcode 15", masked(0x8f, b"x"), 1002),
        ("fragmented ping", masked(0x09, b"x"), 1002),
        (
            "long ping",
            [&[0x89, 0xfe, 0, 126, 1, 2, 3, 4][..], &[0; 126]].concat(),
            1002,
        ),
        ("nothing to continue", masked(0x80, b"x"), 1002),
        (
            "message in message",
            [masked(0x01, b"x"), masked(0x81, b"y")].concat(),
            1002,
        ),
        ("length not minimal", vec![0x82, 0xfe, 0, 1, 1, 2, 3, 4, 5], 1002),
        ("length of 2^63", length_64(1 << 63), 1002),
        ("close of one byte", masked(0x88, b"x"), 1002),
        ("close code 1005", masked(0x88, &1005u16.to_be_bytes()), 1002),
        ("close reason not UTF-8", masked(0x88, b"\x03\xe8\xff"), 1007),
        ("text not UTF-8", masked(0x81, b"\xff"), 1007),
        ("text cut in a character", masked(0x81, b"\xe2\x82"), 1007),
        ("fragment not UTF-8", masked(0x01, b"ok \xc0"), 1007),
        ("length above the limit", length_64(LIMIT as u64 + 1), 1009),
        ("length of 2^63 - 1", length_64(u64::MAX >> 1), 1009),
    ];
    for (name, bytes, code) in mistakes {
        let mut stream = server.open().await;
        // More follows, as from a client that does not notice: it must not turn our end into a reset.
        let sent = [bytes.clone(), vec![0xaa; 10_000]].concat();
        stream.write_all(&sent).await.expect("sent");
        stream.shutdown().await.expect("shut down");
        let answer = read_all(&mut stream).await;
        assert_eq!(answer.first(), Some(&0x88), "{name}: {answer:02x?}");
        let got = u16::from_be_bytes([answer[2], answer[3]]);
        assert_eq!(got, *code, "{name}");
        assert_eq!(
            answer.len(),
            2 + usize::from(answer[1]),
            "{name}: nothing follows"
        );
    }
    assert_echoes(&server).await;
    server.end().await;
}

#[tokio::test]
async fn frames_sent_together_with_the_handshake_are_not_lost() {
    let server = Server::start(server::settings()).await;
    let mut stream = server.raw().await;
    let early = [HANDSHAKE, &masked(0x81, b"one"), &masked(0x81, b"two")[..4]].concat();
    stream.write_all(&early).await.expect("sent");
    let head = read_head(&mut stream).await;
    assert!(
        head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    let mut answer = [0; 5];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"\x81\x03one");
    stream.write_all(&masked(0x81, b"two")[4..]).await.expect("sent");
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"\x81\x03two");
    server.end().await;
}

#[tokio::test]
async fn a_request_that_is_no_handshake_gets_a_problem_document() {
    let server = Server::start(server::settings()).await;
    let handshake = std::str::from_utf8(HANDSHAKE).expect("text");
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "426"),
        (handshake.replace("GET", "POST"), "405"),
        (handshake.replace("Version: 13", "Version: 8"), "426"),
        (handshake.replace("dGhl", ""), "400"),
        (
            handshake.replace("Host: x", "Host: x\r\nOrigin: https://evil.test"),
            "403",
        ),
    ] {
        let mut stream = server.raw().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        let head = read_head(&mut stream).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}\n{head}"
        );
        assert!(head.contains("content-type: application/problem+json"), "{head}");
    }
    assert_echoes(&server).await;
    server.end().await;
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_is_cut() {
    let settings = Settings {
        handshake_timeout: Duration::from_millis(200),
        ..server::settings()
    };
    let server = Server::start(settings).await;
    let mut silent = server.raw().await;
    let mut slow = server.raw().await;
    let started = Instant::now();
    let dripping = async {
        let mut bytes = HANDSHAKE.iter().cycle();
        loop {
            let byte = bytes.next().expect("endless");
            if *byte == b'\r' || slow.write_all(&[*byte]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            } else {
                break;
            }
        }
    };
    timeout(SOON, dripping).await.expect("the server ends it");
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(
        read_all(&mut silent).await,
        b"",
        "who says nothing is cut as well"
    );
    assert_echoes(&server).await;
    server.end().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(server::settings()).await;
    let mut stream = server.raw().await;
    let head = [
        &HANDSHAKE[..HANDSHAKE.len() - 2],
        b"x: ",
        &vec![b'y'; 17_000],
        b"\r\n\r\n",
    ]
    .concat();
    stream.write_all(&head).await.expect("sent");
    let answer = read_head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn connections_over_the_limit_get_503_until_one_ends() {
    let settings = Settings {
        connections: 2,
        ..server::settings()
    };
    let server = Server::start(settings).await;
    let first = server.open().await;
    let _second = server.open().await;
    let mut third = server.raw().await;
    third.write_all(HANDSHAKE).await.expect("sent");
    let head = read_head(&mut third).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(
        head.contains("retry-after: ") && head.contains("connection: close"),
        "{head}"
    );
    let metrics = server.metrics();
    assert!(
        metrics.contains("tidegate_connections_rejected_total{reason=\"limit\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("tidegate_connections_limit 2"), "{metrics}");
    drop(first);
    // The server learns of the end when it reads it.
    let again = async {
        loop {
            let mut stream = server.raw().await;
            stream.write_all(HANDSHAKE).await.expect("sent");
            if read_head(&mut stream).await.starts_with("HTTP/1.1 101 ") {
                break;
            }
        }
    };
    timeout(SOON, again).await.expect("the place is free again");
    server.end().await;
}

#[tokio::test]
async fn a_client_that_shuts_its_side_down_or_vanishes_is_let_go() {
    let settings = Settings {
        connections: 3,
        ..server::settings()
    };
    let server = Server::start(settings).await;
    let mut half = server.open().await;
    half.shutdown().await.expect("shut down");
    assert_eq!(read_all(&mut half).await, b"", "the server ends its side too");
    let mut inside = server.open().await;
    inside
        .write_all(&masked(0x01, b"never ended"))
        .await
        .expect("sent");
    drop(inside);
    let reset = server.open().await;
    reset.set_zero_linger().expect("set");
    drop(reset);
    // All three places are free again, whatever way they were left.
    let again = async {
        let mut open = Vec::new();
        while open.len() < 3 {
            let mut stream = server.raw().await;
            stream.write_all(HANDSHAKE).await.expect("sent");
            if read_head(&mut stream).await.starts_with("HTTP/1.1 101 ") {
                open.push(stream);
            }
        }
    };
    timeout(SOON, again).await.expect("the places are free again");
    server.end().await;
}

#[tokio::test]
async fn requests_see_their_peer_and_are_finished_after_shutdown() {
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let begun = std::sync::Mutex::new(Some(begun));
    let (finish, may_finish) = tokio::sync::watch::channel(false);
    let handler = move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        if let Some(begun) = begun.lock().expect("not poisoned").take() {
            begun.send(()).expect("somebody waits");
        }
        let mut may_finish = may_finish.clone();
        async move {
            may_finish.wait_for(|finish| *finish).await.expect("it will");
            peer.to_string()
        }
    };
    let handler = std::sync::Arc::new(handler);
    let route = get(move |peer: ConnectInfo<SocketAddr>| handler(peer));
    let server = Server::with(Router::new().route("/slow", route), server::settings()).await;
    let mut idle = server.raw().await;
    let mut stream = server.raw().await;
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    timeout(SOON, has_begun).await.expect("in time").expect("begun");
    server.shutdown.cancel();
    assert_eq!(
        read_all(&mut idle).await,
        b"",
        "a connection without a request ends at once"
    );
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refused).await.expect("nothing more is accepted");
    assert!(!server.serving.is_finished(), "a request is under way");
    finish.send(true).expect("somebody waits");
    let answer = String::from_utf8(read_all(&mut stream).await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.ends_with(&stream.local_addr().expect("bound").to_string()),
        "{answer}"
    );
    server.end().await;
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_when_the_drain_is_over() {
    let settings = Settings {
        drain: Duration::from_millis(50),
        ..server::settings()
    };
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let stuck = move || async move {
        begun.send(()).await.expect("somebody waits");
        std::future::pending::<()>().await;
    };
    let server = Server::with(Router::new().route("/stuck", get(stuck)), settings).await;
    let mut stream = server.raw().await;
    stream
        .write_all(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    timeout(SOON, has_begun.recv())
        .await
        .expect("in time")
        .expect("begun");
    server.end().await;
    assert_eq!(read_all(&mut stream).await, b"");
}

#[tokio::test]
async fn a_websocket_outlives_the_accept_loop() {
    let server = Server::start(server::settings()).await;
    let mut stream = server.open().await;
    server.end().await;
    stream.write_all(&masked(0x81, b"x")).await.expect("sent");
    let mut answer = [0; 3];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"\x81\x01x");
}
