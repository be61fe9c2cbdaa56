//! The configured endpoints: where a request becomes a WebSocket, and the WebSocket a connection of the
//! node.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Histogram, HistogramOpts, Registry};
use tidegate_shared::backend::Backend;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::{Config, DialectName};
use tokio_util::task::TaskTracker;

use super::{Problem, access, loopback, page};
use crate::connection::stream::{Sink, Wanted};
use crate::connection::{self, Peer};
use crate::dialect::{Compression, Format, Language};
use crate::identity::{self, Identity};
use crate::node::Node;
use crate::transport::accept::{self, ClientStream};
use crate::transport::ws::{self, Handshake, Opening, Origins, Window};

/// Seconds. The goal is that hardly any handshake takes longer than a tenth.
const DURATIONS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0];

/// The subprotocol of clients that want MessagePack.
const MESSAGE_PACK: &str = "tidegate.msgpack";

/// What the endpoints of a node share.
#[derive(Debug)]
pub(crate) struct Gate {
    node: Arc<Node>,
    configured: Origins,
    /// For requests from the gateway's own pages.
    any: Origins,
    /// Serves a page of its own on loopback, which pages of other names must not pass for.
    local: bool,
    rejections: accept::Metrics,
    duration: Histogram,
    clients: TaskTracker,
}

impl Gate {
    pub(crate) fn new(
        node: Arc<Node>,
        configured: Origins,
        any: Origins,
        local: bool,
        rejections: accept::Metrics,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let duration = Histogram::with_opts(
            HistogramOpts::new(
                "tidegate_handshake_duration_seconds",
                "From a request for a WebSocket to the WebSocket",
            )
            .buckets(DURATIONS.to_vec()),
        )?;
        registry.register(Box::new(duration.clone()))?;
        Ok(Self {
            node,
            configured,
            any,
            local,
            rejections,
            duration,
            clients: TaskTracker::new(),
        })
    }

    /// Resolves when every client that came through has gone. Once only requests that were under way
    /// can bring new ones.
    pub(crate) async fn emptied(&self) {
        self.clients.close();
        self.clients.wait().await;
    }

    /// Which pages may send this request. What no page sends is none of their business.
    fn origins(&self, request: &Request) -> &Origins {
        let (headers, uri) = (request.headers(), request.uri());
        let own = page::host(headers, uri).is_some_and(|host| page::is_own(headers, &host));
        if own && self.is_named_rightly(request) {
            &self.any
        } else {
            &self.configured
        }
    }

    /// The origin of the page that asks, if a page does and may.
    pub(crate) fn page(&self, request: &Request) -> Result<Option<HeaderValue>, Problem> {
        if !ws::origin_allowed(request.headers(), self.origins(request)) {
            self.rejections.rejected("origin");
            return Err(Problem::new(
                ErrorCode::Forbidden,
                "pages of this origin may not connect; the gateway's `allowed_origins` says which may",
            ));
        }
        Ok(request.headers().get(header::ORIGIN).cloned())
    }

    /// Who asks for an event stream. Clients without a token may if there is an endpoint for them.
    pub(crate) fn identify_anywhere(&self, request: &Request) -> Result<Option<Identity>, Problem> {
        let anonymous = self.node.config.endpoints.iter().any(|one| one.anonymous);
        self.identify(request, anonymous)
    }

    /// Who sends this request. `anonymous`: one without a token may pass. A token that does not count is
    /// refused even so: its bearer does not expect to be nobody.
    pub(crate) fn identify(&self, request: &Request, anonymous: bool) -> Result<Option<Identity>, Problem> {
        let identity = match (
            &self.node.tokens,
            identity::presented(request.headers(), request.uri()),
        ) {
            (Some(tokens), Some(token)) => tokens
                .verify(&token)
                .map(Some)
                .map_err(|error| Problem::new(error.code(), error.to_string())),
            _ if anonymous => Ok(None),
            (Some(_), None) => Err(Problem::new(
                ErrorCode::Unauthorized,
                "a token is needed: send it as `?token=`, as `Authorization: Bearer TOKEN` or in the cookie `tidegate_token`",
            )),
            (None, _) => Err(Problem::new(
                ErrorCode::Unauthorized,
                "this server knows no tokens and lets nobody in without one: set [auth.jwt], or `anonymous = true` for an endpoint",
            )),
        };
        identity
            .inspect_err(|_| self.rejections.rejected("token"))
            .map_err(|problem| {
                problem.with_header(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"tidegate\""),
                )
            })
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn config(&self) -> &Config {
        &self.node.config
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.node.backend
    }

    /// Serves an event stream until it ends.
    pub(crate) fn spawn_stream(&self, wanted: Wanted, sink: Sink) {
        self.clients
            .spawn(connection::stream::stream(Arc::clone(&self.node), wanted, sink));
    }

    /// On loopback a name other than `localhost` was made to lead here (DNS rebinding).
    fn is_named_rightly(&self, request: &Request) -> bool {
        let peer = access::peer(request.extensions());
        !self.local
            || !peer.is_some_and(|address| address.is_loopback())
            || loopback::check(request.headers(), request.uri(), peer).is_ok()
    }
}

/// A route for each configured endpoint.
pub(crate) fn router(gate: &Arc<Gate>) -> Router {
    let mut router = Router::new();
    for endpoint in &gate.node.config.endpoints {
        let (dialect, anonymous) = (endpoint.dialect, endpoint.anonymous);
        let handler = move |State(gate): State<Arc<Gate>>, request: Request| {
            let response = open(&gate, dialect, anonymous, request);
            async move { response }
        };
        router = router.route(&endpoint.path, get(handler));
    }
    router.with_state(Arc::clone(gate))
}

/// Agrees to the handshake, and serves the client once its stream is there.
fn open(gate: &Arc<Gate>, dialect: DialectName, anonymous: bool, mut request: Request) -> Response {
    let started = Instant::now();
    let origins = gate.origins(&request).clone();
    let protocols: &[&str] = match dialect {
        DialectName::Native => &[MESSAGE_PACK],
        DialectName::Echo => &[],
    };
    match ws::accept(&mut request, &origins, protocols) {
        Ok(Handshake { response, opening }) => match gate.identify(&request, anonymous) {
            Ok(identity) => {
                let serving = serve(Arc::clone(gate), dialect, identity, opening, started);
                gate.clients.spawn(serving);
                response
            }
            Err(problem) => problem.into_response(),
        },
        Err(refusal) => {
            gate.rejections.rejected(refusal.name());
            refusal.into_response()
        }
    }
}

async fn serve(
    gate: Arc<Gate>,
    dialect: DialectName,
    identity: Option<Identity>,
    opening: Opening,
    started: Instant,
) {
    let (protocol, compression) = (opening.protocol(), opening.compression());
    let limit = gate.node.config.limits.message;
    let socket = match opening.websocket::<ClientStream>(limit).await {
        Ok(socket) => socket,
        Err(error) => {
            // A client that went away before the answer reached it.
            tracing::debug!(%error, "a handshake was not finished");
            gate.rejections.rejected("handshake");
            return;
        }
    };
    gate.duration.observe(started.elapsed().as_secs_f64());
    match dialect {
        DialectName::Native => {
            let language = match protocol {
                Some(MESSAGE_PACK) => Language::NativeMessagePack,
                _ => Language::NativeJson,
            };
            let peer = Peer {
                format: Format::new(language, of_window(compression)),
                identity: identity.map(Arc::new),
            };
            connection::serve(socket, &gate.node, &peer).await;
        }
        DialectName::Echo => ws::echo(socket, compression, gate.node.shutdown()).await,
    }
}

fn of_window(window: Option<Window>) -> Compression {
    match window {
        None => Compression::None,
        Some(Window::Full) => Compression::Deflate,
        Some(Window::Small) => Compression::DeflateNear,
    }
}
