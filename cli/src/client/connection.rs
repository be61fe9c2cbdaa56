//! One WebSocket to a gateway: opened and welcomed, read with a deadline, closed.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::frame::Frame;
use super::target::Target;

/// For the connection, the handshake and the welcome together.
const OPEN: Duration = Duration::from_secs(10);
/// A frame that the network does not take in this time means that it is gone.
const SEND: Duration = Duration::from_secs(10);
/// What a ping of the server may be late.
const LATE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) welcome: Frame,
    /// Longest time without a word from the server.
    silence: Duration,
}

#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// It may work later.
    #[error("{0}")]
    Retry(String),
    #[error("{0}")]
    Final(String),
}

/// Why a connection is over.
#[derive(Debug, Error)]
#[error("{reason}")]
pub(crate) struct Lost {
    pub(crate) reason: String,
    /// The server does not want this client back.
    pub(crate) forbidden: bool,
}

impl Lost {
    fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            forbidden: false,
        }
    }

    fn closed(frame: Option<CloseFrame>) -> Self {
        let Some(frame) = frame else {
            return Self::because("the gateway closed the connection");
        };
        let code = u16::from(frame.code);
        let reason = if frame.reason.is_empty() {
            format!("the gateway closed the connection with code {code}")
        } else {
            format!(
                "the gateway closed the connection: {} (code {code})",
                frame.reason
            )
        };
        Self {
            reason,
            // Coming back with the same frames would end the same way.
            forbidden: (3500..4000).contains(&code) || matches!(code, 1002 | 1003 | 1007..=1009),
        }
    }
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Result<Self, ConnectError> {
        match timeout(OPEN, Self::handshake(target)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Retry(format!(
                "{target} did not answer within {} seconds",
                OPEN.as_secs()
            ))),
        }
    }

    async fn handshake(target: &Target) -> Result<Self, ConnectError> {
        let request = target.request().map_err(|error| refused(target, &error))?;
        let (socket, _) = connect_async(request)
            .await
            .map_err(|error| refused(target, &error))?;
        let mut connection = Self {
            socket,
            welcome: Frame::default(),
            silence: OPEN,
        };
        let welcome = connection.next().await.map_err(|lost| {
            if lost.forbidden {
                ConnectError::Final(lost.reason)
            } else {
                ConnectError::Retry(lost.reason)
            }
        })?;
        if welcome.kind != "welcome" {
            return Err(ConnectError::Final(format!(
                "{target} does not speak Tidegate's native dialect: it began with `{}` instead of `welcome`",
                welcome.kind.escape_debug()
            )));
        }
        // Without pings nothing can be concluded from silence.
        connection.silence = match welcome.ping_ms {
            Some(ms) if ms > 0 => Duration::from_millis(ms).saturating_add(LATE),
            _ => Duration::from_secs(u64::from(u32::MAX)),
        };
        connection.welcome = welcome;
        Ok(connection)
    }

    pub(crate) async fn send(&mut self, text: String) -> Result<(), Lost> {
        match timeout(SEND, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Lost::because(error.to_string())),
            Err(_) => Err(Lost::because("the gateway does not read")),
        }
    }

    /// The next text frame. Pings are answered on the way. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Frame, Lost> {
        loop {
            let message = match timeout(self.silence, self.socket.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return Err(Lost::because(broken(&error))),
                Ok(None) => return Err(Lost::because("the connection ended")),
                Err(_) => {
                    let seconds = self.silence.as_secs();
                    return Err(Lost::because(format!("nothing was heard for {seconds} seconds")));
                }
            };
            match message {
                Message::Text(text) => {
                    return Frame::parse(&text).map_err(|error| Lost {
                        reason: format!("the gateway sent what is not JSON: {error}"),
                        forbidden: true,
                    });
                }
                Message::Close(frame) => {
                    // Answers the close; what becomes of it no longer matters.
                    let _ = timeout(Duration::from_millis(200), self.socket.flush()).await;
                    return Err(Lost::closed(frame));
                }
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Says goodbye, without waiting long for the answer.
    pub(crate) async fn close(mut self) {
        let _ = timeout(Duration::from_millis(500), self.socket.close(None)).await;
    }
}

fn broken(error: &tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
        | tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed => "the connection broke".into(),
        error => error.to_string(),
    }
}

fn refused(target: &Target, error: &tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Http(response) => {
            let status = response.status();
            let text = format!("{target} refused the WebSocket with HTTP {status}");
            if status.is_server_error() || status.as_u16() == 429 {
                ConnectError::Retry(text)
            } else {
                ConnectError::Final(format!("{text}; is this the URL of a gateway?"))
            }
        }
        tungstenite::Error::Io(error) => ConnectError::Retry(format!("cannot connect to {target}: {error}")),
        error => ConnectError::Final(format!("cannot connect to {target}: {error}")),
    }
}
