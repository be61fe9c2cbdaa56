//! A process that may open no more files goes on, and accepts again once it may. A program of its
//! own: the limit is the whole process's.

#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its own functions too"
)]

use std::time::Duration;

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tidegate_gateway::transport::accept::{self, Settings, Trusted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(10);

fn allow_files(files: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(files),
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("below the maximum");
}

#[tokio::test]
async fn running_out_of_files_ends_nothing_and_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let registry = prometheus::Registry::new();
    let metrics = accept::Metrics::register(&registry).expect("registered");
    let settings = Settings {
        connections: 1000,
        head: 16 * 1024,
        handshake_timeout: SOON,
        drain: SOON,
        trusted: Trusted::default(),
        tls: None,
    };
    let shutdown = CancellationToken::new();
    let router = Router::new().fallback(|| async { "fine" });
    let mut client = TcpStream::connect(address).await.expect("connected");
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .expect("sent");
    let before = getrlimit(Resource::Nofile).current.expect("a limit");
    // Everything that is open stays open; a new descriptor would have a higher number.
    allow_files(3);
    let serving = tokio::spawn(accept::serve(
        listener,
        router,
        settings,
        metrics,
        shutdown.clone(),
    ));
    let counted = async {
        while !failures_are_counted(&registry) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, counted).await.expect("the failure is counted");
    assert!(!serving.is_finished());
    allow_files(before);
    let mut answer = String::new();
    timeout(SOON, client.read_to_string(&mut answer))
        .await
        .expect("in time")
        .expect("an orderly end");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    shutdown.cancel();
    timeout(SOON, serving).await.expect("in time").expect("no panic");
}

fn failures_are_counted(registry: &prometheus::Registry) -> bool {
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .expect("text");
    let line = text.lines().find(|line| line.contains("reason=\"accept_error\""));
    !line.expect("there from the start").ends_with(" 0")
}
