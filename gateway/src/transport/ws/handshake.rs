//! The opening handshake (RFC 6455 §4.2): from an HTTP request to the raw stream behind it.
//!
//! Decides nothing about who the client is: the endpoint looks at credentials before or after.

mod answer;

use std::io;

use axum::http::header::{
    ALLOW, CONNECTION, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{Method, Request, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use thiserror::Error;
use tidegate_shared::code::ErrorCode;
use tokio::io::{AsyncRead, AsyncWrite};

use super::extension::{self, Window};
use super::origin::Origins;
use super::queue::SendQueue;
use super::socket::WebSocket;
use crate::transport::http::Problem;

pub use answer::{KeepBack, Upgradable};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// A handshake that is agreed on: answer the request with `response`, and the client's stream comes
/// out of `opening`.
#[derive(Debug)]
pub struct Handshake {
    pub response: Response,
    pub opening: Opening,
}

/// A client that is about to be handed over by the HTTP connection.
#[derive(Debug)]
pub struct Opening {
    upgrade: OnUpgrade,
    protocol: Option<&'static str>,
    compression: Option<Window>,
}

/// Why a request opens no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("a WebSocket is opened by GET over HTTP/1.1")]
    NotGetOverHttp11,
    #[error(
        "this is a WebSocket endpoint: send `Connection: Upgrade` and `Upgrade: websocket`; a proxy in \
         between must pass both on"
    )]
    NoUpgrade,
    #[error("only version 13 of the WebSocket protocol is spoken here: send `Sec-WebSocket-Version: 13`")]
    Version,
    #[error("`Sec-WebSocket-Key` must be there once and be 16 bytes in base64")]
    Key,
    #[error("pages of this origin may not connect; the gateway's `allowed_origins` says which may")]
    Origin,
}

/// Why the client's stream did not come.
#[derive(Debug, Error)]
pub enum UpgradeError {
    #[error("the HTTP connection ended before it was handed over: {0}")]
    Ended(#[from] hyper::Error),
    #[error("the HTTP connection runs over another kind of stream than expected")]
    OtherStream,
}

/// Checks a request and agrees to it. `protocols` are the subprotocols that the endpoint speaks; of
/// those that the client names, in its order, the first of them is chosen, or none. Compression is agreed
/// on wherever it is offered.
pub fn accept<B>(
    request: &mut Request<B>,
    origins: &Origins,
    protocols: &[&'static str],
) -> Result<Handshake, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return Err(Refusal::NotGetOverHttp11);
    }
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        return Err(Refusal::NoUpgrade);
    }
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(Refusal::Version);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).ok_or(Refusal::Key)?;
    if !STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES) {
        return Err(Refusal::Key);
    }
    if !origin_allowed(headers, origins) {
        return Err(Refusal::Origin);
    }
    let protocol = tokens(headers, &SEC_WEBSOCKET_PROTOCOL)
        .find_map(|wanted| protocols.iter().copied().find(|offered| *offered == wanted));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    // Base64 is always a valid header.
    if let Ok(accept) = HeaderValue::from_str(&accept_of(key)) {
        answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = protocol {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    let agreed = extension::agree(tokens(headers, &SEC_WEBSOCKET_EXTENSIONS));
    if let Some(agreed) = agreed {
        answer.insert(SEC_WEBSOCKET_EXTENSIONS, agreed.answer());
    }
    response.extensions_mut().insert(KeepBack);
    let opening = Opening {
        upgrade: hyper::upgrade::on(request),
        protocol,
        compression: agreed.map(|agreed| agreed.window),
    };
    Ok(Handshake { response, opening })
}

impl Opening {
    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&'static str> {
        self.protocol
    }

    /// How messages to this client may be compressed, if that was agreed on.
    pub fn compression(&self) -> Option<Window> {
        self.compression
    }

    /// The WebSocket over a stream of the kind that the server accepted (`accept::ClientStream`),
    /// with what hyper had read past the request; and what is to be sent over it before anything else.
    pub async fn websocket<S>(self, message_limit: usize) -> Result<(WebSocket<S>, SendQueue), UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Upgradable + Unpin + 'static,
    {
        let upgraded = self.upgrade.await?;
        let parts = upgraded
            .downcast::<TokioIo<S>>()
            .map_err(|_| UpgradeError::OtherStream)?;
        let mut stream = parts.io.into_inner();
        let mut sending = SendQueue::new();
        sending.push_begun(stream.take_answer());
        let socket = WebSocket::new(stream, parts.read_buf, message_limit);
        Ok((socket.inflating(self.compression.is_some()), sending))
    }
}

impl From<UpgradeError> for io::Error {
    fn from(error: UpgradeError) -> Self {
        Self::other(error)
    }
}

impl Refusal {
    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            _ => "handshake",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NotGetOverHttp11 => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key => StatusCode::BAD_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match self {
            Self::Origin => ErrorCode::Forbidden,
            _ => ErrorCode::BadRequest,
        };
        let mut response = Problem::new(code, self.to_string())
            .with_status(self.status())
            .into_response();
        let headers = response.headers_mut();
        match self {
            Self::NotGetOverHttp11 => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            // RFC 9110 §15.5.22 and RFC 6455 §4.4.
            Self::NoUpgrade | Self::Version => {
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Key | Self::Origin => {}
        }
        response
    }
}

/// RFC 6455 §4.2.2 step 5.4.
fn accept_of(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// The elements of a header that is a comma separated list, over all its lines.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|listed| listed.eq_ignore_ascii_case(token))
}

/// The value of a header that must come exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?.as_bytes().trim_ascii();
    lines.next().is_none().then_some(value)
}

/// Whether the page behind a request, if there is one, is of one of these origins.
pub(crate) fn origin_allowed(headers: &HeaderMap, origins: &Origins) -> bool {
    if !headers.contains_key(ORIGIN) {
        return origins.allows(None);
    }
    // Two of them, or one that is no text: what no browser sends is allowed only where all is.
    let origin = only(headers, &ORIGIN).and_then(|origin| std::str::from_utf8(origin).ok());
    origins.allows(Some(origin.unwrap_or("null")))
}

#[cfg(test)]
mod tests;
