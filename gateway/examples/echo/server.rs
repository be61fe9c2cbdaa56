//! The echo endpoint at `/`, over the gateway's own transport.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tidegate_gateway::transport::accept::{ClientStream, Settings};
use tidegate_gateway::transport::ws::{self, Incoming, Opening, Origins, SendQueue, WsError, frame};

const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

pub(crate) fn settings() -> Settings {
    Settings {
        connections: 1000,
        handshake_timeout: Duration::from_secs(5),
        drain: Duration::from_secs(5),
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
    let Ok(mut socket) = opening.websocket::<ClientStream>(message_limit).await else {
        return;
    };
    let mut queue = SendQueue::new();
    let farewell = loop {
        match socket.next().await {
            Some(Ok(Incoming::Text(text))) => queue.push(frame::text(&text)),
            Some(Ok(Incoming::Binary(bytes))) => queue.push(frame::binary(&bytes)),
            Some(Ok(Incoming::Ping(payload))) => queue.push(frame::pong(&payload)),
            Some(Ok(Incoming::Pong(_))) => {}
            Some(Ok(Incoming::Close(Some((code, _))))) => break frame::close(code, ""),
            Some(Ok(Incoming::Close(None))) => break frame::close_without_code(),
            Some(Err(WsError::Violation(violation))) => {
                let code = violation.close_code();
                break frame::close(code.number(), code.name());
            }
            Some(Err(WsError::Gone(_))) | None => return,
        }
        if socket.flush(&mut queue).await.is_err() {
            return;
        }
    };
    // How the client takes the end makes no difference here.
    let _ended = socket.close(queue, farewell, CLOSE_DEADLINE).await;
}
