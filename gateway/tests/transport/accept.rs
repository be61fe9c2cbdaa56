//! The accept loop: limits, timeouts, and its end.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tidegate_gateway::transport::accept::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{HANDSHAKE, SOON, Server, assert_echoes, masked, read_all, read_head};
use crate::echo;

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_is_cut() {
    let settings = Settings {
        handshake_timeout: Duration::from_millis(200),
        ..echo::settings()
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
    let server = Server::start(echo::settings()).await;
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
        ..echo::settings()
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
        ..echo::settings()
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
    let server = Server::with(Router::new().route("/slow", route), echo::settings()).await;
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
        "a connection without a request ends by itself"
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
async fn who_had_connected_when_the_port_closes_is_answered() {
    let server = Server::with(
        Router::new().route("/", get(|| async { "served" })),
        echo::settings(),
    )
    .await;
    // Without a pause in which the server could accept them.
    let early: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.address).expect("connected");
            let sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            sent.expect("sent");
            stream
        })
        .collect();
    server.shutdown.cancel();
    for stream in early {
        stream.set_nonblocking(true).expect("set");
        let mut stream = TcpStream::from_std(stream).expect("registered");
        let answer = String::from_utf8(read_all(&mut stream).await).expect("text");
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("served"),
            "{answer}"
        );
    }
    server.end().await;
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_when_the_drain_is_over() {
    let settings = Settings {
        drain: Duration::from_millis(50),
        ..echo::settings()
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
    let server = Server::start(echo::settings()).await;
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
