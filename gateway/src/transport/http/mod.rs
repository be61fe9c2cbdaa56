//! The client port as HTTP: the sockets' endpoints, `/api`, and problem documents for the rest.

mod access;
mod api;
mod body;
mod bridge;
mod endpoint;
mod form;
mod headers;
mod loopback;
mod page;
mod problem;
mod refused;
mod sign_in;
mod sockets;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use futures_util::FutureExt;
use tidegate_shared::code::ErrorCode;

pub(crate) use access::client;
pub(crate) use api::Api;
pub(crate) use endpoint::Gate;
pub use problem::Problem;

use super::{engineio, sse};

/// All routes of the client port.
pub(crate) fn router(gate: &Arc<Gate>, api: Arc<Api>, extra: Option<Router>) -> Router {
    let nothing = Router::new()
        .fallback(api::missing::path)
        .layer(middleware::map_response(headers::harden));
    let others = match extra {
        Some(extra) => extra.fallback_service(nothing),
        None => nothing,
    };
    api::router(api)
        .merge(sockets::router(gate, None))
        .merge(bridge::router(gate, None))
        .merge(sign_in::router(gate, None))
        .merge(engineio::router(gate, None))
        .merge(sse::router(gate))
        .method_not_allowed_fallback(wrong_method)
        .fallback_service(others)
        .layer(middleware::from_fn(headers::require_host))
        .layer(middleware::from_fn(survive))
        .layer(middleware::map_response(counted(gate)))
}

/// All routes of a port that only some endpoints have.
pub(crate) fn own_router(gate: &Arc<Gate>, listen: SocketAddr) -> Router {
    sockets::router(gate, Some(listen))
        .merge(bridge::router(gate, Some(listen)))
        .merge(sign_in::router(gate, Some(listen)))
        .merge(engineio::router(gate, Some(listen)))
        .merge(sse::of_endpoints(gate, Some(listen)))
        .fallback(api::missing::path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_response(headers::harden))
        .layer(middleware::from_fn(headers::require_host))
        .layer(middleware::from_fn(survive))
        .layer(middleware::map_response(counted(gate)))
}

/// Passes an answer on, counting what refuses.
fn counted(gate: &Arc<Gate>) -> impl FnMut(Response) -> std::future::Ready<Response> + Clone + use<> {
    let refused = gate.refused().clone();
    move |response| {
        refused.count(&response);
        std::future::ready(response)
    }
}

/// A handler that panics is a bug, told as one: the connection and its other requests go on. The panic
/// itself is on standard error.
async fn survive(request: Request, next: Next) -> Result<Response, Problem> {
    let path = request.uri().path().to_owned();
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    work.await.map_err(|_| {
        tracing::error!(path, "a request's handler panicked");
        Problem::new(
            ErrorCode::Internal,
            "the server failed at this request; its log says where",
        )
    })
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
