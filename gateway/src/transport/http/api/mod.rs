//! `/api`: what backends do over HTTP. Every answer is JSON; every request but the description's
//! passes [`Access`] first, so that without a key nothing can be learnt, not even which paths exist.

mod batch;
mod broadcast;
mod call;
mod command;
mod desk;
mod history;
mod info;
mod jobs;
mod many;
pub(super) mod missing;
mod openapi;
mod presence;
mod publish;
mod schedules;
mod sessions;
mod state;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any_service, delete, get, post};
use serde::de::DeserializeOwned;
use tidegate_shared::backend::Backend;
use tidegate_shared::call::CALL_TIMEOUT_LIMIT;
use tidegate_shared::code::ErrorCode;

use super::access::{self, Access};
use super::body::BodyLimits;
use super::{Gate, Problem, headers};
use command::Command;

/// What a request may take in all, on top of reading its body.
const WORK_TIME: Duration = Duration::from_secs(15);

const CALL: &str = "/api/call";

/// What a batch may have in all.
const LARGE_BODY: usize = 4 << 20;

/// What the handlers work with.
#[derive(Debug)]
pub(crate) struct Api {
    gate: Arc<Gate>,
    backend: Backend,
    access: Access,
    body: BodyLimits,
    /// For requests that carry more than one payload.
    large_body: BodyLimits,
    work_time: Duration,
    /// Largest `data` of a job.
    job_data: usize,
}

impl Api {
    pub(crate) fn new(gate: Arc<Gate>, open_on_loopback: bool) -> Self {
        let config = gate.config();
        let data = config.namespaces.largest_data().max(config.limits.data);
        let reading = config.limits.handshake_timeout;
        Self {
            backend: gate.backend().clone(),
            access: Access::new(config.auth.api_keys.clone(), open_on_loopback),
            body: BodyLimits::new(&config.limits, data, reading),
            large_body: BodyLimits::new(&config.limits, data.max(LARGE_BODY), reading),
            work_time: reading + WORK_TIME,
            job_data: config.limits.data,
            gate,
        }
    }
}

/// Every route with its path as `openapi.json` spells it.
fn routes() -> [(&'static str, MethodRouter<Arc<Api>>); 25] {
    [
        ("/api/publish", of(Command::Publish)),
        ("/api/broadcast", of(Command::Broadcast)),
        (CALL, of(Command::Call)),
        ("/api/history", of(Command::History)),
        ("/api/set", of(Command::Set)),
        ("/api/remove", of(Command::Remove)),
        ("/api/presence", of(Command::Presence)),
        ("/api/disconnect", of(Command::Disconnect)),
        ("/api/subscribe", of(Command::Subscribe)),
        ("/api/unsubscribe", of(Command::Unsubscribe)),
        ("/api/info", get(info::info)),
        ("/api/batch", post(batch::batch)),
        ("/api/jobs", post(jobs::submit).get(desk::jobs)),
        ("/api/jobs/cancel", post(many::cancel)),
        ("/api/jobs/retry", post(many::retry)),
        ("/api/jobs/purge", post(many::purge)),
        ("/api/jobs/{id}", get(jobs::get).delete(jobs::cancel)),
        ("/api/jobs/{id}/retry", post(desk::retry)),
        ("/api/jobs/{id}/attempts", get(desk::attempts)),
        ("/api/queues", get(desk::queues)),
        ("/api/queues/{queue}/pause", post(desk::pause)),
        ("/api/queues/{queue}/resume", post(desk::resume)),
        ("/api/jobs/{id}/events", get(jobs::events)),
        ("/api/schedules", get(schedules::list).post(schedules::put)),
        ("/api/schedules/{name}", delete(schedules::remove)),
    ]
}

/// A path for one kind of command.
fn of<T: DeserializeOwned + Send + 'static>(kind: fn(T) -> Command) -> MethodRouter<Arc<Api>> {
    post(move |state, request| command::handle(state, kind, request))
}

pub(crate) fn router(api: Arc<Api>) -> Router {
    let mut guarded = Router::new();
    for (path, methods) in routes() {
        guarded = guarded.route(path, methods.fallback(missing::method));
    }
    let guarded = guarded
        .fallback(missing::path)
        .layer(middleware::from_fn_with_state(Arc::clone(&api), in_time))
        .with_state(Arc::clone(&api));
    // One service for all paths, so that the answer to who has no key is the same everywhere: a router
    // would add to a 405's `Allow` outside of the guard.
    let guarded = any_service(guarded).layer(middleware::from_fn_with_state(api, guard));
    Router::new()
        .route(openapi::PATH, get(openapi::document).fallback(missing::method))
        .route("/api", guarded.clone())
        .route("/api/", guarded.clone())
        .route("/api/{*rest}", guarded)
        .layer(middleware::map_response(headers::harden))
}

/// A request that may use the API.
#[derive(Debug, Clone, Copy)]
struct Keyed;

/// Lets in who may use the API, and clients where there is something for them.
async fn guard(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let peer = access::peer(request.extensions());
    match api.access.check(request.headers(), request.uri(), peer) {
        Ok(()) => {
            request.extensions_mut().insert(Keyed);
        }
        Err(_) if jobs::is_for_clients(&request) => {}
        Err(problem) => return Err(problem),
    }
    Ok(next.run(request).await)
}

/// Answers in time.
async fn in_time(State(api): State<Arc<Api>>, request: Request, next: Next) -> Result<Response, Problem> {
    // Calls have a time of their own.
    let more = match request.uri().path() {
        CALL => CALL_TIMEOUT_LIMIT,
        _ => Duration::ZERO,
    };
    tokio::time::timeout(api.work_time + more, next.run(request))
        .await
        .map_err(|_| {
            Problem::new(
                ErrorCode::Timeout,
                "the request took too long; it may have taken effect",
            )
        })
}

/// 200 with a JSON document.
fn json(body: Vec<u8>) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// A JSON document of a type that always serialises.
fn answer<T: serde::Serialize>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| {
        Problem::new(
            ErrorCode::Internal,
            format!("the answer cannot be written: {error}"),
        )
    })?;
    Ok((status, json(body)).into_response())
}

/// Room for the location of what was made.
const LOCATION: HeaderName = header::LOCATION;

#[cfg(test)]
mod tests {
    use tidegate_shared::config::API_NAMES;

    use super::*;

    #[test]
    fn what_the_api_has_is_known_to_whoever_configures_endpoints() {
        for path in routes().iter().map(|(path, _)| *path).chain([openapi::PATH]) {
            let name = path.split('/').nth(2).expect("a name");
            assert!(API_NAMES.contains(&name), "{path} is not in API_NAMES");
        }
    }
}
