//! Answers to requests that no handler takes: paths and methods that do not exist, and those of the
//! documented API that this version does not have.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use tidegate_shared::code::ErrorCode;

use crate::transport::http::Problem;

/// Paths of the documented API that this version does not have.
fn is_not_yet(path: &str) -> bool {
    path.strip_prefix("/api/jobs/").is_some_and(|rest| {
        rest.split_once('/')
            .is_some_and(|(id, what)| !id.is_empty() && what == "retry")
    })
}

/// 404.
pub(crate) async fn path(request: Request) -> Problem {
    let path = request.uri().path();
    if is_not_yet(path) {
        return Problem::new(
            ErrorCode::NotFound,
            format!("this version does not have {path}; what it has is described at /api/openapi.json"),
        );
    }
    Problem::no_such_path()
}

/// 405; the router adds `Allow`.
pub(super) async fn method(request: Request) -> Problem {
    let path = request.uri().path();
    let detail = match (request.method(), path) {
        (&Method::GET, "/api/jobs") => "this version does not list jobs".to_owned(),
        (&Method::DELETE, path) if path.starts_with("/api/jobs/") => {
            "this version does not cancel jobs".to_owned()
        }
        (method, path) => format!("{path} does not take {method}; the `Allow` header names what it takes"),
    };
    Problem::bad_request(detail).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_paths_are_told_from_unknown_ones() {
        assert!(is_not_yet("/api/jobs/x/retry"));
        for path in ["/api/infos", "/api/jobs//retry", "/api/jobs/x/y", "/api"] {
            assert!(!is_not_yet(path), "{path}");
        }
    }
}
