//! Endpoints of the dialect `http`: a request becomes one call of the application's method `APP.http`, and
//! what that answers becomes the response.
//!
//! Knows requests and responses, and nothing of what they mean. Of a request's headers the application gets
//! those that it needs, [`HEADERS`]. Who may do what is the application's to say.

mod answer;
mod asked;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tidegate_shared::call::{CALL_TIMEOUT, CallDraft, CallError, Caller};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::{DialectName, Endpoint};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::MethodName;

use super::body::{self, BodyLimits};
use super::{Gate, Problem, headers};
use crate::calls::Asker;
use asked::Asked;

/// Of the request, what the application gets.
const HEADERS: [HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_TYPE, header::COOKIE];

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const ALLOWED: HeaderValue = HeaderValue::from_static("authorization, content-type");
/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// What all requests of an endpoint have in common.
#[derive(Debug)]
struct Bridge {
    gate: Arc<Gate>,
    method: MethodName,
    anonymous: bool,
    limits: BodyLimits,
}

/// The endpoints at the gateway's own address, or at the other one that is named.
pub(super) fn router(gate: &Arc<Gate>, listen: Option<SocketAddr>) -> Router {
    let mut router = Router::new();
    let of_here = |one: &&Endpoint| one.dialect == DialectName::HTTP && one.listen == listen;
    for endpoint in gate.config().endpoints.iter().filter(of_here) {
        let Ok(method) = MethodName::parse(&format!("{}.http", endpoint.app)) else {
            tracing::error!(
                path = endpoint.path,
                "no method can have the name of this application"
            );
            continue;
        };
        let limits = &gate.config().limits;
        let bridge = Arc::new(Bridge {
            gate: Arc::clone(gate),
            method,
            anonymous: endpoint.anonymous,
            limits: BodyLimits::new(limits, limits.data, limits.handshake_timeout),
        });
        router = router.route(&endpoint.path, any(enter).with_state(bridge));
    }
    router.layer(middleware::map_response(headers::harden))
}

async fn enter(State(bridge): State<Arc<Bridge>>, request: Request) -> Response {
    let page = match bridge.gate.page(&request) {
        Ok(page) => page,
        Err(refused) => return refused.into_response(),
    };
    let asks = request
        .headers()
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks && request.method() == Method::OPTIONS {
        preflight()
    } else {
        bridge.serve(request).await.unwrap_or_else(Problem::into_response)
    };
    if let Some(origin) = page {
        allow(response.headers_mut(), origin);
    }
    response
}

impl Bridge {
    async fn serve(&self, request: Request) -> Result<Response, Problem> {
        let (gate, node) = (&self.gate, self.gate.node());
        let shown = gate.presented(&request);
        let from = shown.from;
        let identity = match gate.know(shown, self.anonymous).await {
            // What it shows may be something of the application's own.
            Err(problem) if self.anonymous && problem.code().http_status() == 401 => None,
            known => known?,
        };
        let caller = Caller {
            user: identity.as_ref().map(|identity| identity.user.clone()),
            session: None,
            info: identity.and_then(|identity| identity.info),
        };
        let asker = match &caller.user {
            Some(user) => Asker::User(user.clone()),
            None => Asker::Address(from),
        };
        let refused = |failure: crate::dialect::Failure| Problem::new(failure.code, failure.message);
        let _place = node.calls.enter(asker).map_err(refused)?;
        let told = Asked::of(&request)?;
        let body = body::text(request, self.limits).await?;
        let data = RawJson::of(&told.with(caller.user.as_ref(), &body)).map_err(|error| {
            Problem::new(
                ErrorCode::Internal,
                format!("the request cannot be written: {error}"),
            )
        })?;
        let draft = CallDraft {
            caller,
            timeout: CALL_TIMEOUT,
            ..CallDraft::new(self.method.clone(), data)
        };
        let answered = gate.backend().calls.call(draft).await.map_err(refusal)?;
        answer::response(&answered.data).map_err(|why| {
            tracing::warn!(method = %self.method, why, "an application's answer is no response");
            Problem::new(
                ErrorCode::Internal,
                format!("the application answered what is no response: {why}"),
            )
            .with_status(StatusCode::BAD_GATEWAY)
        })
    }
}

/// Applications are not heard of by who asks for a page.
fn refusal(error: CallError) -> Problem {
    match error {
        CallError::NoWorker(_) => Problem::new(
            ErrorCode::NoWorker,
            "no worker serves the application of this path at the moment: try again later",
        ),
        other => Problem::from(other),
    }
}

/// To a browser that asks whether it may ask.
fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Lets the page that asks see the answer, and no other.
fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    const TRUE: HeaderValue = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
