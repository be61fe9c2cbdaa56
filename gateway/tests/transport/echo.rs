//! The echo endpoint at `/`, over the gateway's own transport.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tidegate_gateway::transport::accept::{ClientStream, Settings, Trusted};
use tidegate_gateway::transport::ws::{self, Opening, Origins};
use tokio_util::sync::CancellationToken;

pub(crate) fn settings() -> Settings {
    Settings {
        connections: 1000,
        head: 16 * 1024,
        handshake_timeout: Duration::from_secs(5),
        drain: Duration::from_secs(5),
        trusted: Trusted::default(),
        tls: None,
    }
}

pub(crate) fn router(message_limit: usize) -> Router {
    Router::new().route(
        "/",
        any(move |request| async move { open(request, message_limit) }),
    )
}

fn open(mut request: Request, message_limit: usize) -> Response {
    match ws::accept(&mut request, &Origins::default(), &["echo"]) {
        Ok(handshake) => {
            tokio::spawn(echo(handshake.opening, message_limit));
            handshake.response
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn echo(opening: Opening, message_limit: usize) {
    let compression = opening.compression();
    if let Ok((socket, sending)) = opening.websocket::<ClientStream>(message_limit).await {
        ws::echo(socket, sending, compression, &CancellationToken::new()).await;
    }
}
