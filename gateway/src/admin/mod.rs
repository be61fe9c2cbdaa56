//! The admin port: probes and metrics, for operators and their tools. Never served on the client port.

mod health;
mod lag;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TextEncoder};

pub(crate) use health::Health;
pub(crate) use lag::{Lag, LagMetrics};

#[derive(Debug)]
struct Admin {
    health: Arc<Health>,
    lag: Arc<Lag>,
    registry: Registry,
}

pub(crate) fn router(health: Arc<Health>, lag: Arc<Lag>, registry: Registry) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .route("/metrics", get(metrics))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "nothing here; this port has /livez, /readyz, /startupz and /metrics\n",
            )
        })
        .with_state(Arc::new(Admin {
            health,
            lag,
            registry,
        }))
}

async fn live(State(admin): State<Arc<Admin>>) -> Response {
    probe(admin.lag.verdict())
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    probe(admin.health.ready())
}

async fn started(State(admin): State<Arc<Admin>>) -> Response {
    probe(admin.health.started())
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
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the metrics cannot be written: {error}\n"),
        )
            .into_response(),
    }
}
