//! Answers as Engine.IO clients know them.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;

use crate::transport::http::Problem;

const HEADERS: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const ANY_HEADERS: HeaderValue = HeaderValue::from_static("content-type, authorization");
/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Why a request is not served. Clients look for the codes and words of Engine.IO.
#[derive(Debug)]
pub(super) enum Refusal {
    UnknownTransport,
    UnknownSid,
    BadMethod,
    BadRequest,
    Forbidden,
    Version,
    TooLarge,
    /// This node has as many clients as it may.
    Full,
    /// No node can be asked.
    Unavailable,
    Problem(Problem),
}

impl Refusal {
    /// Engine.IO's number for it.
    fn code(&self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSid => 1,
            Self::BadMethod => 2,
            Self::BadRequest | Self::TooLarge | Self::Full | Self::Unavailable => 3,
            Self::Forbidden | Self::Problem(_) => 4,
            Self::Version => 5,
        }
    }

    pub(super) fn message(&self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSid => "Session ID unknown",
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden | Self::Problem(_) => "Forbidden",
            Self::Version => "Unsupported protocol version",
            Self::TooLarge => "The body is larger than maxPayload",
            Self::Full => "This node has as many connections as it may",
            Self::Unavailable => "The node of this session cannot be looked up",
        }
    }

    pub(super) fn answer(self) -> Response {
        let status = match &self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Full | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Problem(problem) => problem.status(),
            _ => StatusCode::BAD_REQUEST,
        };
        let body = json!({ "code": self.code(), "message": self.message() });
        let mut response = with(status, "application/json", body.to_string().into());
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"tidegate\""),
            );
        }
        response
    }
}

/// Packets for a poll.
pub(super) fn packets(body: Bytes) -> Response {
    with(StatusCode::OK, "text/plain; charset=UTF-8", body)
}

/// What was brought is taken in.
pub(super) fn taken() -> Response {
    with(StatusCode::OK, "text/html", Bytes::from_static(b"ok"))
}

/// To a browser that asks whether it may ask. `asked`: for which headers.
pub(super) fn preflight(asked: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(ANY_HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Lets the page that asks see the answer, and no other.
pub(super) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    const TRUE: HeaderValue = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

fn with(status: StatusCode, kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
