//! Server-Sent Events: from a request to an event stream of the node.
//!
//! Knows what browsers need (resuming, other origins, proxies in between) and hands what the node writes
//! to the HTTP connection. What is written is not its concern.

mod request;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::{DialectName, Endpoint};
use tidegate_shared::job::JobError;
use tidegate_shared::topic::{Reserved, Topic};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::accept::Line;
use super::http::{Gate, Problem, client};
use crate::connection::check_own;
use crate::connection::stream::Sink;
use crate::dialect::rpc::{self, EventStream};
use crate::dialect::{Dialect, Failure, Format};
use crate::identity::Identity;
use crate::permission::{self, Act, Verdict};

/// Chunks between the stream and the HTTP connection, which has a buffer of its own.
const CHUNKS: usize = 1;

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    // nginx and those that took over its way: hand on what comes at once.
    (HeaderName::from_static("x-accel-buffering"), "no"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// `GET /events`, and what applications tell everybody at the gateway's own address.
pub(crate) fn router(gate: &Arc<Gate>) -> Router {
    Router::new()
        .route("/events", get(open))
        .with_state(Arc::clone(gate))
        .merge(of_endpoints(gate, None))
}

/// The endpoints of the dialect `events` at the gateway's own address, or at the other one that is named.
pub(crate) fn of_endpoints(gate: &Arc<Gate>, listen: Option<SocketAddr>) -> Router {
    let of_here = |one: &&Endpoint| one.dialect == DialectName::EVENTS && one.listen == listen;
    let endpoints = gate.config().endpoints.iter().filter(of_here);
    let routes = endpoints.fold(Router::new(), |router, endpoint| {
        let (path, endpoint) = (endpoint.path.clone(), Arc::new(endpoint.clone()));
        let handler = move |State(gate): State<Arc<Gate>>, request: Request| {
            let endpoint = Arc::clone(&endpoint);
            async move {
                let page = match gate.page(&request) {
                    Ok(page) => page,
                    Err(refused) => return refused.into_response(),
                };
                let response = listen_to(&gate, &endpoint, request).await;
                let mut response = response.unwrap_or_else(Problem::into_response);
                if let Some(origin) = page {
                    allow(response.headers_mut(), origin);
                }
                response
            }
        };
        router.route(&path, get(handler))
    });
    routes.with_state(Arc::clone(gate))
}

/// Whoever may come to the endpoint may hear its application.
async fn listen_to(gate: &Arc<Gate>, endpoint: &Endpoint, request: Request) -> Result<Response, Problem> {
    gate.admit()?;
    let shown = gate.presented(&request);
    let identity = gate.identify(shown, endpoint.anonymous).await?;
    let app = match endpoint.app.as_str() {
        "" => EventStream.app(),
        app => app,
    };
    let nothing = || Problem::new(ErrorCode::Internal, "the name of the application makes no topic");
    let topic = rpc::events(app).ok_or_else(nothing)?;
    respond(gate, Who::Listener(identity), vec![topic], &request)
}

async fn open(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    for_client(&gate, request, None).await
}

/// An event stream for a client: of one `topic`, or of those that the request names.
pub(crate) async fn for_client(gate: &Arc<Gate>, request: Request, topic: Option<Topic>) -> Response {
    let page = match gate.page(&request) {
        Ok(page) => page,
        Err(refused) => return refused.into_response(),
    };
    let mut response = match of_client(gate, request, topic).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    if let Some(origin) = page {
        allow(response.headers_mut(), origin);
    }
    response
}

/// A browser does not ask again once it was refused, so all that can be refused is refused here.
async fn of_client(gate: &Arc<Gate>, request: Request, topic: Option<Topic>) -> Result<Response, Problem> {
    gate.admit()?;
    let shown = gate.presented(&request);
    let identity = gate.identify_anywhere(shown).await?;
    let most = gate.config().limits.subscriptions_per_connection;
    let topics = match topic {
        Some(topic) => vec![topic],
        None => request::topics(request.uri(), most)?,
    };
    for topic in &topics {
        let verdict = permission::on_topic(gate.config(), identity.as_ref(), Act::Subscribe, topic);
        let told = |failure: Failure| Problem::new(failure.code, failure.message);
        match (verdict.map_err(told)?, topic.reserved()) {
            (Verdict::IfOwn(own), _) => {
                check_own(gate.node(), Some(own)).await.map_err(told)?;
            }
            (Verdict::Yes, Some(Reserved::Nothing)) => return Err(unknown(topic)),
            // What may pass by itself is not for here.
            (Verdict::Yes, Some(Reserved::Job(id))) => {
                if let Err(JobError::NotFound(_)) = gate.backend().jobs.get(&id).await {
                    return Err(unknown(topic));
                }
            }
            (Verdict::Yes, _) => {}
        }
    }
    let who = Who::Client(identity);
    respond(gate, who, topics, &request)
}

/// Whom an event stream is for.
pub(crate) enum Who {
    /// It may follow them; that is asked again when it does.
    Client(Option<Identity>),
    /// It may hear what an application tells everybody.
    Listener(Option<Identity>),
    /// It has a key of the API.
    Backend,
}

/// An event stream of these topics.
pub(crate) fn respond(
    gate: &Arc<Gate>,
    who: Who,
    topics: Vec<Topic>,
    request: &Request,
) -> Result<Response, Problem> {
    let Some(line) = request.extensions().get::<Line>().cloned() else {
        return Err(Problem::new(
            ErrorCode::Internal,
            "this request did not come over a connection of the client port",
        ));
    };
    let cursor = request::cursor(request.headers(), request.uri());
    let (identity, trusted, format) = match who {
        Who::Client(identity) => (identity, false, Format::EVENTS),
        Who::Listener(identity) => (identity, true, Format::APP_EVENTS),
        Who::Backend => (None, true, Format::EVENTS),
    };
    let mut wanted = request::wanted(identity, topics, cursor);
    (wanted.trusted, wanted.format) = (trusted, format);
    wanted.from = client(request.extensions());
    let (chunks, receiver) = mpsc::channel(CHUNKS);
    let taken = CancellationToken::new();
    let sink = Sink {
        chunks,
        line,
        taken: taken.clone(),
    };
    gate.spawn_stream(wanted, sink);
    let state = (receiver, taken.drop_guard());
    let body = stream::unfold(state, |mut state| async {
        let chunk: Bytes = state.0.recv().await?;
        Some((Ok::<_, Infallible>(chunk), state))
    });
    let mut response = Response::new(Body::from_stream(body));
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Lets the page that asks see the answer, and no other.
fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    const TRUE: HeaderValue = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

fn unknown(topic: &Topic) -> Problem {
    Problem::new(ErrorCode::UnknownTopic, format!("topic {topic} does not exist"))
}
