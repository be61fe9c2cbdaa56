//! The client port as HTTP: the sockets' endpoints, `/api`, and problem documents for the rest.

mod access;
mod api;
mod body;
mod headers;
mod loopback;
mod page;
mod problem;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::{Router, middleware};

pub(crate) use api::Api;
pub use problem::Problem;

/// All routes of the client port.
pub(crate) fn router(api: Arc<Api>, extra: Option<Router>) -> Router {
    let mut router = api::router(api);
    if let Some(extra) = extra {
        router = router.merge(extra);
    }
    let nothing = Router::new()
        .fallback(|| async { Problem::no_such_path() })
        .layer(middleware::map_response(headers::harden));
    router
        .fallback_service(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(headers::require_host))
}

/// 405; the router adds `Allow`.
async fn wrong_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::bad_request(format!(
        "{path} does not take {method}; the `{}` header names what it takes",
        header::ALLOW
    ))
    .with_status(StatusCode::METHOD_NOT_ALLOWED)
}
