//! Sends every message back: what conformance suites talk to.
//!
//! Knows no session, no topic and no backend. A client that does not read is not read from.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidegate_shared::code::CloseCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::extension::Window;
use super::frame::{self, Kind};
use super::message::Incoming;
use super::queue::SendQueue;
use super::socket::{WebSocket, WsError};

/// Longest silence, and longest time that a client may take to read.
const PATIENCE: Duration = Duration::from_secs(60);
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves one client until it leaves, falls silent, or `stop`. What is in `queue` is sent first.
pub async fn echo<S>(
    mut socket: WebSocket<S>,
    mut queue: SendQueue,
    compression: Option<Window>,
    stop: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if socket.flush(&mut queue).await.is_err() {
        return;
    }
    let farewell = loop {
        let answered =
            stop.run_until_cancelled(timeout(PATIENCE, answer(&mut socket, &mut queue, compression)));
        match answered.await {
            Some(Ok(Answered::Message)) => {}
            Some(Ok(Answered::End(farewell))) => break farewell,
            Some(Ok(Answered::Gone)) => return,
            Some(Err(_)) => break close(CloseCode::Idle),
            None => break close(CloseCode::ServiceRestart),
        }
    };
    // How the client takes the end makes no difference here.
    let _ended = socket.close(queue, farewell, FAREWELL).await;
}

enum Answered {
    Message,
    /// With this close frame.
    End(Bytes),
    Gone,
}

async fn answer<S>(socket: &mut WebSocket<S>, queue: &mut SendQueue, compression: Option<Window>) -> Answered
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut message = |kind, payload: &[u8]| {
        let mut out = BytesMut::new();
        frame::append_message(&mut out, kind, payload, compression);
        queue.push(out.freeze());
    };
    match socket.next().await {
        Some(Ok(Incoming::Text(text))) => message(Kind::Text, &text),
        Some(Ok(Incoming::Binary(bytes))) => message(Kind::Binary, &bytes),
        Some(Ok(Incoming::Ping(payload))) => queue.push(frame::pong(&payload)),
        Some(Ok(Incoming::Pong(_))) => {}
        Some(Ok(Incoming::Close(Some((code, _))))) => return Answered::End(frame::close(code, "")),
        Some(Ok(Incoming::Close(None))) => return Answered::End(frame::close_without_code()),
        Some(Err(WsError::Violation(violation))) => return Answered::End(close(violation.close_code())),
        Some(Err(WsError::Gone(_))) | None => return Answered::Gone,
    }
    match socket.flush(queue).await {
        Ok(()) => Answered::Message,
        Err(_) => Answered::Gone,
    }
}

fn close(code: CloseCode) -> Bytes {
    frame::close(code.number(), code.name())
}
