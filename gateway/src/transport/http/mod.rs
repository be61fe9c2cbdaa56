//! The client port as HTTP: the sockets' endpoints, `/api`, and problem documents for the rest.

mod problem;

use axum::Router;

pub use problem::Problem;

pub(crate) fn router(extra: Option<Router>) -> Router {
    extra
        .unwrap_or_default()
        .fallback(|| async { Problem::no_such_path() })
}
