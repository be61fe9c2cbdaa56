//! The admin port: probes and metrics, for operators and their tools.

mod secured;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use tidegate_shared::readiness::Readiness;

pub(crate) use secured::Secured;

#[derive(Debug)]
struct Admin {
    readiness: Arc<Readiness>,
    registry: Registry,
}

pub(crate) fn router(readiness: Arc<Readiness>, registry: Registry) -> Router {
    Router::new()
        // Whoever answers is alive: handlers run elsewhere, and Redis is no part of it.
        .route("/livez", get(async || probe(Ok(()))))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .route("/metrics", get(metrics))
        .fallback(async || {
            let text = "nothing here; this port has /livez, /readyz, /startupz and /metrics\n";
            (StatusCode::NOT_FOUND, text)
        })
        .with_state(Arc::new(Admin { readiness, registry }))
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    probe(admin.readiness.ready())
}

async fn started(State(admin): State<Arc<Admin>>) -> Response {
    probe(admin.readiness.started())
}

fn probe(verdict: Result<(), String>) -> Response {
    let (status, text) = match verdict {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    };
    let fresh = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, fresh, text).into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    match TextEncoder::new().encode_to_string(&admin.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            let text = format!("the metrics cannot be written: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}
