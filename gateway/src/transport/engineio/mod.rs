//! `Engine.IO` over HTTP: long polling, and sockets beside it or in its place.
//!
//! Knows requests, and which node a client is on: a request for another node's client is handed on to
//! that node, so that a balancer may send each request anywhere. What packets mean is the connection's.

mod answer;
mod forward;
mod query;
mod roster;
mod upgrade;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tidegate_shared::config::{DialectName, Endpoint};
use tidegate_shared::name::NodeId;
use tokio::sync::{mpsc, oneshot};

use self::answer::Refusal;
use self::forward::Forward;
use self::query::{Query, Transport};
use self::roster::{Roster, Sid};
use super::accept::ClientStream;
use super::http::Gate;
use super::ws::WebSocket;
use crate::capacity;
use crate::connection::socketio::{self, Arrival, Newcomer};
use crate::dialect::socketio::App;
use crate::dialect::socketio::engine::{self, Greeting};
use crate::identity::Identity;

/// For the body of a request to arrive.
const BODY: Duration = Duration::from_secs(20);
/// What clients try that do not say otherwise.
const UPGRADES: [&str; 1] = ["websocket"];

/// One endpoint, and the clients of this node that came by it.
#[derive(Debug)]
struct Door {
    gate: Arc<Gate>,
    endpoint: Endpoint,
    roster: Arc<Roster>,
    forward: Arc<Forward>,
    /// Most clients of this node: between two polls they have no connection that would be counted.
    most: usize,
}

/// Who has come.
#[derive(Debug)]
struct Visitor {
    /// `None`: anonymous.
    identity: Option<Identity>,
    from: Option<IpAddr>,
}

/// The endpoints at the gateway's own address, or at the other one that is named.
pub(crate) fn router(gate: &Arc<Gate>, listen: Option<SocketAddr>) -> Router {
    let mut all = Router::new();
    let roster = Arc::new(Roster::default());
    let forward = Arc::new(Forward::default());
    let endpoints = gate.config().endpoints.iter();
    let of_here = |one: &&Endpoint| one.dialect == DialectName::SOCKETIO && one.listen == listen;
    for endpoint in endpoints.filter(of_here) {
        let door = Arc::new(Door {
            gate: Arc::clone(gate),
            endpoint: endpoint.clone(),
            roster: Arc::clone(&roster),
            forward: Arc::clone(&forward),
            most: capacity::connections(gate.config().limits.connections),
        });
        let path = endpoint.path.trim_end_matches('/');
        let routes = Router::new().route(&format!("{path}/"), any(enter));
        let routes = if path.is_empty() {
            routes
        } else {
            routes.route(path, any(enter))
        };
        all = all.merge(routes.with_state(door));
    }
    all
}

async fn enter(State(door): State<Arc<Door>>, request: Request) -> Response {
    let Ok(page) = door.gate.page(&request) else {
        return Refusal::Forbidden.answer();
    };
    let asked = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .cloned();
    let mut response = if request.method() == Method::OPTIONS {
        answer::preflight(asked)
    } else {
        door.serve(request).await.unwrap_or_else(Refusal::answer)
    };
    if let Some(origin) = page {
        answer::allow(response.headers_mut(), origin);
    }
    response
}

impl Door {
    async fn serve(self: &Arc<Self>, request: Request) -> Result<Response, Refusal> {
        let query = Query::read(request.uri())?;
        let Some(sid) = &query.sid else {
            return self.open(&query, request).await;
        };
        let Some(arrivals) = self.roster.find(sid) else {
            let node = sid.node().ok_or(Refusal::UnknownSid)?;
            return self.elsewhere(&node, request).await;
        };
        match query.transport {
            Transport::WebSocket => Ok(self.upgrade(arrivals, request)),
            Transport::Polling if request.method() == Method::GET => poll(&arrivals).await,
            Transport::Polling if request.method() == Method::POST => self.post(&arrivals, request).await,
            Transport::Polling => Err(Refusal::BadRequest),
        }
    }

    /// A new client.
    async fn open(self: &Arc<Self>, query: &Query, request: Request) -> Result<Response, Refusal> {
        if request.method() != Method::GET {
            return Err(Refusal::BadMethod);
        }
        self.gate.admit().map_err(Refusal::Problem)?;
        // Who brings no token may still bring one for a namespace.
        let shown = self.gate.presented(&request);
        let from = shown.from;
        let identity = self.gate.identify(shown, true).await.map_err(Refusal::Problem)?;
        let visitor = Visitor { identity, from };
        if query.transport == Transport::WebSocket {
            return Ok(self.open_socket(visitor, request));
        }
        if self.gate.node().connections() >= self.most {
            self.gate.rejected("limit");
            return Err(Refusal::Full);
        }
        let arrivals = self.begin(visitor, request.headers(), None);
        poll(&arrivals).await
    }

    /// Begins to serve a client. Gives the way to it.
    fn begin(
        self: &Arc<Self>,
        visitor: Visitor,
        headers: &HeaderMap,
        socket: Option<WebSocket<ClientStream>>,
    ) -> mpsc::Sender<Arrival> {
        let node = self.gate.shared_node().clone();
        let limits = &node.config.limits;
        let sid = Sid::new(&node.id);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let greeting = Greeting {
            sid: sid.as_str(),
            upgrades: if socket.is_some() { &[] } else { &UPGRADES },
            ping_interval: millis(socketio::interval(limits.ping)),
            ping_timeout: millis(socketio::TIMEOUT),
            max_payload: limits.message,
        };
        let newcomer = Newcomer {
            identity: visitor.identity.map(Arc::new),
            from: visitor.from,
            anonymous: self.endpoint.anonymous,
            app: App::of_name(&self.endpoint.app),
            recovers: query::recovers(headers),
            greeting: greeting.packet(),
            socket,
        };
        let (arrivals, stay) = self.roster.enter(sid);
        let receiver = stay.arrivals;
        let seat = stay.seat;
        self.gate.spawn(async move {
            socketio::converse(node, newcomer, receiver).await;
            drop(seat);
        });
        arrivals
    }

    async fn post(&self, arrivals: &mpsc::Sender<Arrival>, request: Request) -> Result<Response, Refusal> {
        let limit = self.gate.config().limits.message;
        let body = collect(request, limit).await?;
        let Ok(packets) = engine::payload(&body) else {
            // What it was cannot be told apart from the rest, so it ends here.
            let _ = arrivals.send(Arrival::Broken).await;
            return Err(Refusal::BadRequest);
        };
        let (taken, done) = oneshot::channel();
        arrivals
            .send(Arrival::Post(packets, taken))
            .await
            .map_err(|_| Refusal::UnknownSid)?;
        match done.await {
            Ok(Ok(())) => Ok(answer::taken()),
            Ok(Err(_)) => Err(Refusal::BadRequest),
            Err(_) => Err(Refusal::UnknownSid),
        }
    }

    async fn elsewhere(&self, node: &NodeId, request: Request) -> Result<Response, Refusal> {
        let own = self.gate.shared_node();
        if *node == own.id {
            return Err(Refusal::UnknownSid);
        }
        let port = self.endpoint.listen.map(|listen| listen.port());
        self.forward.hand_on(&self.gate, node, port, request).await
    }
}

/// Waits for packets.
async fn poll(arrivals: &mpsc::Sender<Arrival>) -> Result<Response, Refusal> {
    let (answer, packets) = oneshot::channel();
    arrivals
        .send(Arrival::Poll(answer))
        .await
        .map_err(|_| Refusal::UnknownSid)?;
    match packets.await {
        Ok(Ok(body)) => Ok(answer::packets(body)),
        Ok(Err(_)) => Err(Refusal::BadRequest),
        Err(_) => Err(Refusal::UnknownSid),
    }
}

async fn collect(request: Request, limit: usize) -> Result<Bytes, Refusal> {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Refusal::TooLarge);
    }
    let reading = Limited::new(request.into_body(), limit).collect();
    match tokio::time::timeout(BODY, reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        _ => Err(Refusal::BadRequest),
    }
}
