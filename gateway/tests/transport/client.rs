//! A running server and clients made of raw bytes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tidegate_gateway::transport::accept::{self, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::echo;

pub(crate) const LIMIT: usize = 100_000;
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) registry: prometheus::Registry,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(settings: Settings) -> Self {
        Self::with(echo::router(LIMIT), settings).await
    }

    pub(crate) async fn with(router: Router, settings: Settings) -> Self {
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

    pub(crate) async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// A connection after its handshake.
    pub(crate) async fn open(&self) -> TcpStream {
        let mut stream = self.raw().await;
        stream.write_all(HANDSHAKE).await.expect("sent");
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        timeout(SOON, self.serving)
            .await
            .expect("in time")
            .expect("no panic");
    }

    pub(crate) fn metrics(&self) -> String {
        let families = self.registry.gather();
        prometheus::TextEncoder::new()
            .encode_to_string(&families)
            .expect("text")
    }
}

pub(crate) const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Reads to the empty line and not a byte further.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
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
pub(crate) async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .expect("in time")
        .expect("an orderly end");
    bytes
}

pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
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

pub(crate) async fn assert_echoes(server: &Server) {
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
