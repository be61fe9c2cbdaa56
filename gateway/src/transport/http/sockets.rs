//! A route for each configured endpoint: where a handshake becomes a connection that speaks the
//! endpoint's dialect.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::{Config, DialectName, Endpoint};
use tidegate_shared::trace::TraceContext;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Problem;
use super::endpoint::Gate;
use super::headers;
use crate::connection::{self, Peer};
use crate::dialect::{Compression, Encoding, Entrance, Format, Refusal};
use crate::identity::{Identity, Presented};
use crate::transport::accept::ClientStream;
use crate::transport::ws::{self, Handshake, Opening, Window};

/// What every client of an endpoint has in common.
#[derive(Debug)]
struct Door {
    speaks: Speaks,
    anonymous: bool,
    /// Of clients of a path without parameters.
    entrance: Arc<Entrance>,
    /// Subprotocols.
    protocols: Vec<&'static str>,
    /// One permit for each client that may be here; absent where any number may.
    room: Option<Arc<Semaphore>>,
    /// The node's, where the endpoint has none of its own.
    config: Arc<Config>,
}

#[derive(Debug, Clone, Copy)]
enum Speaks {
    Echo,
    Dialect(Format),
}

/// The endpoints at the gateway's own address, or at the other one that is named.
pub(crate) fn router(gate: &Arc<Gate>, listen: Option<SocketAddr>) -> Router {
    let mut router = Router::new();
    for endpoint in gate.config().endpoints.iter().filter(|one| one.listen == listen) {
        if [DialectName::SOCKETIO, DialectName::HTTP, DialectName::EVENTS].contains(&endpoint.dialect) {
            continue;
        }
        let Some(door) = Door::of(endpoint, &gate.node().config) else {
            tracing::error!(
                path = endpoint.path,
                "nothing speaks the dialect of this endpoint"
            );
            continue;
        };
        let door = Arc::new(door);
        let handler = move |State(gate): State<Arc<Gate>>, path: RawPathParams, request: Request| {
            let (door, entrance) = (door.clone(), door.entrance(&path));
            async move { open(&gate, &door, entrance, request).await }
        };
        router = router.route(&endpoint.path, get(handler));
    }
    router.with_state(Arc::clone(gate))
}

impl Door {
    fn of(endpoint: &Endpoint, config: &Arc<Config>) -> Option<Self> {
        let speaks = if endpoint.dialect == DialectName::ECHO {
            Speaks::Echo
        } else {
            Speaks::Dialect(Format::named(endpoint.dialect)?)
        };
        let (app, protocols) = match speaks {
            Speaks::Echo => ("", Vec::new()),
            Speaks::Dialect(format) => {
                let protocols = format.dialect().protocols().iter();
                (format.dialect().app(), protocols.map(|(name, _)| *name).collect())
            }
        };
        let app = if endpoint.app.is_empty() {
            app
        } else {
            &endpoint.app
        };
        Some(Self {
            speaks,
            anonymous: endpoint.anonymous,
            entrance: Arc::new(Entrance {
                app: app.into(),
                parameters: Box::default(),
            }),
            protocols,
            room: (endpoint.connections > 0).then(|| Arc::new(Semaphore::new(endpoint.connections))),
            config: match endpoint.ping {
                Some(ping) if ping != config.limits.ping => {
                    let mut own = Config::clone(config);
                    own.limits.ping = ping;
                    Arc::new(own)
                }
                _ => config.clone(),
            },
        })
    }

    fn entrance(&self, path: &RawPathParams) -> Arc<Entrance> {
        let parameters: Box<[(Box<str>, Box<str>)]> = path
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        if parameters.is_empty() {
            return self.entrance.clone();
        }
        Arc::new(Entrance {
            app: self.entrance.app.clone(),
            parameters,
        })
    }

    fn admits(&self, entrance: &Entrance) -> bool {
        match self.speaks {
            Speaks::Echo => true,
            Speaks::Dialect(format) => format.dialect().admits(entrance),
        }
    }

    /// Who has come; `later`: it may say so by and by.
    async fn identify(
        &self,
        gate: &Gate,
        shown: Presented,
        later: bool,
        entrance: &Entrance,
    ) -> Result<Option<Identity>, Problem> {
        gate.admit()?;
        let identified = gate.identify(shown, self.anonymous || later).await;
        let forgives = match self.speaks {
            Speaks::Echo => false,
            Speaks::Dialect(format) => self.anonymous && format.dialect().forgives(entrance),
        };
        match identified {
            Err(problem) if forgives && problem.status() == StatusCode::UNAUTHORIZED => Ok(None),
            identified => identified,
        }
    }

    /// Room for one more client, where not any number may come.
    fn enter(&self) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let Some(room) = &self.room else {
            return Ok(None);
        };
        room.clone().try_acquire_owned().map(Some).map_err(|_| {
            Problem::new(
                ErrorCode::LimitExceeded,
                "this endpoint has as many connections as it may: try again later",
            )
        })
    }

    fn refusal(&self) -> Refusal {
        match self.speaks {
            Speaks::Echo => Refusal::Usual,
            Speaks::Dialect(format) => format.dialect().refusal(),
        }
    }

    fn cookie(&self) -> Option<&'static str> {
        match self.speaks {
            Speaks::Echo => None,
            Speaks::Dialect(format) => format.dialect().cookie(),
        }
    }

    /// How long this client may take to say who it is, if it has to and can do so later.
    fn introduction(&self, gate: &Gate, shown: &Presented) -> Option<Duration> {
        let later = shown.credentials.is_none() && !self.anonymous && gate.node().tokens.is_some();
        match self.speaks {
            Speaks::Dialect(format) if later => format.dialect().introduction(),
            _ => None,
        }
    }

    /// The problem with a client's token, as clients of this endpoint are told.
    fn refuse(&self, problem: Problem) -> Response {
        match self.refusal() {
            Refusal::Forbidden if problem.status() == StatusCode::UNAUTHORIZED => {
                problem.with_status(StatusCode::FORBIDDEN).into_response()
            }
            Refusal::Usual | Refusal::Forbidden => problem.into_response(),
        }
    }
}

/// Agrees to the handshake, and serves the client once its stream is there.
async fn open(gate: &Arc<Gate>, door: &Arc<Door>, entrance: Arc<Entrance>, mut request: Request) -> Response {
    let started = Instant::now();
    if !door.admits(&entrance) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut shown = gate.presented(&request);
    if let (None, Some(name)) = (&shown.credentials, door.cookie()) {
        shown.credentials = gate.shown_by_cookie(&request, name);
    }
    let introduction = door.introduction(gate, &shown);
    let from = shown.from;
    let trace = headers::traceparent(request.headers()).filter(|_| gate.node().tracer.is_on());
    let origins = gate.origins(&request).clone();
    match ws::accept(&mut request, &origins, &door.protocols) {
        Ok(Handshake { response, opening }) => match door
            .identify(gate, shown, introduction.is_some(), &entrance)
            .await
        {
            Ok(identity) => match door.enter() {
                Ok(room) => {
                    let came = Came {
                        identity,
                        introduction,
                        from,
                        trace,
                        entrance,
                        started,
                        room,
                    };
                    gate.spawn(serve(gate.clone(), door.clone(), came, opening));
                    response
                }
                Err(problem) => {
                    gate.rejections.rejected("endpoint");
                    problem.into_response()
                }
            },
            Err(problem) => door.refuse(problem),
        },
        Err(refusal) => {
            gate.rejections.rejected(refusal.name());
            refusal.into_response()
        }
    }
}

/// Who has come, from where, and when.
struct Came {
    identity: Option<Identity>,
    introduction: Option<Duration>,
    from: Option<IpAddr>,
    trace: Option<TraceContext>,
    entrance: Arc<Entrance>,
    started: Instant,
    /// Given back when the client has gone.
    room: Option<OwnedSemaphorePermit>,
}

/// Serves a client from when its stream comes until it has gone. What is needed only until then takes no room in the
/// task after it.
fn serve(
    gate: Arc<Gate>,
    door: Arc<Door>,
    came: Came,
    opening: Opening,
) -> impl Future<Output = ()> + Send + 'static {
    let begun = Box::pin(begin(gate, door, came, opening));
    async move {
        let Some((client, _room)) = begun.await else {
            return;
        };
        client.await;
    }
}

/// The client to be served, and its place at the endpoint; none if it has gone again.
async fn begin(
    gate: Arc<Gate>,
    door: Arc<Door>,
    came: Came,
    opening: Opening,
) -> Option<(impl Future<Output = ()>, Option<OwnedSemaphorePermit>)> {
    let (protocol, compression) = (opening.protocol(), opening.compression());
    let limit = gate.config().limits.message;
    let (socket, sending) = match opening.websocket::<ClientStream>(limit).await {
        Ok(socket) => socket,
        Err(error) => {
            // A client that went away before the answer reached it.
            tracing::debug!(%error, "a handshake was not finished");
            gate.rejections.rejected("handshake");
            return None;
        }
    };
    gate.handshake_took(came.started.elapsed());
    let format = match door.speaks {
        Speaks::Dialect(format) => format,
        Speaks::Echo => {
            let _room = came.room;
            ws::echo(socket, sending, compression, gate.node().shutdown()).await;
            return None;
        }
    };
    let peer = Peer {
        format: format
            .encoded(encoding(format, protocol))
            .compressed(of_window(compression)),
        identity: came.identity.map(Arc::new),
        introduction: came.introduction,
        from: came.from,
        entrance: came.entrance,
        trace: came.trace,
        writer: socket.stream().writer(),
        config: door.config.clone(),
    };
    let client = connection::serve(socket, sending, gate.shared_node(), &peer);
    Some((client, came.room))
}

/// What the subprotocol that was agreed on says, if one was.
fn encoding(format: Format, protocol: Option<&str>) -> Encoding {
    let protocols = format.dialect().protocols().iter();
    let agreed = protocols.into_iter().find(|(name, _)| Some(*name) == protocol);
    agreed.map_or(format.encoding(), |(_, encoding)| *encoding)
}

fn of_window(window: Option<Window>) -> Compression {
    match window {
        None => Compression::None,
        Some(Window::Full) => Compression::Deflate,
        Some(Window::Small) => Compression::DeflateNear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what an `async fn` returns.
    fn size_of_future<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_client_is_small() {
        const CEILING: usize = 704;
        let size = size_of_future(serve);
        assert!(size <= CEILING, "the task takes {size} bytes");
    }
}
