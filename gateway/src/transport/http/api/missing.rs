//! Answers to requests that no handler takes: paths and methods that do not exist.

use axum::extract::Request;
use axum::http::StatusCode;

use crate::transport::http::Problem;

/// 404.
pub(crate) async fn path() -> Problem {
    Problem::no_such_path()
}

/// 405; the router adds `Allow`.
pub(super) async fn method(request: Request) -> Problem {
    let path = request.uri().path();
    let method = request.method();
    let detail = format!("{path} does not take {method}; the `Allow` header names what it takes");
    Problem::bad_request(detail).with_status(StatusCode::METHOD_NOT_ALLOWED)
}
