//! A WebSocket server that sends every message back: what the Autobahn test suite is run against.
//!
//! `cargo run -p tidegate-gateway --example echo -- 127.0.0.1:9001`, then `ws://127.0.0.1:9001/`.

mod server;

use anyhow::Context;
use tidegate_gateway::transport::accept;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Autobahn's largest message (cases 9.*).
const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let metrics = accept::Metrics::register(&prometheus::Registry::new())?;
    accept::serve(
        listener,
        server::router(MESSAGE_LIMIT),
        server::settings(),
        metrics,
        CancellationToken::new(),
    )
    .await;
    Ok(())
}
