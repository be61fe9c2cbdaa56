//! What every request must bring, and what every answer of the API carries for browsers.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use tidegate_shared::trace::TraceContext;

use super::{Problem, page};

/// Answers are data for programs: nothing to render, frame, guess at, keep or embed elsewhere.
const HARDENING: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// The trace that a request names, if it is recorded.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::parse(headers.get("traceparent")?.to_str().ok()?)
}

/// Adds the headers that protect a browser's user, unless the answer has its own.
pub(crate) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HARDENING {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// RFC 9112 §3.2: since HTTP/1.1 a request names exactly one host.
pub(crate) async fn require_host(request: Request, next: Next) -> Result<Response, Problem> {
    let optional = request.version() < Version::HTTP_11 && !request.headers().contains_key(header::HOST);
    if optional || page::host(request.headers(), request.uri()).is_some() {
        Ok(next.run(request).await)
    } else {
        Err(Problem::bad_request(
            "the request needs exactly one valid `Host` header",
        ))
    }
}
