//! What the endpoints of a node share: who may come in, and what is counted at the door.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use prometheus::{Histogram, HistogramOpts, Registry};
use tidegate_shared::backend::Backend;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::Config;
use tidegate_shared::tls::Certificates;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::task::TaskTracker;

use super::refused::Refused;
use super::{Problem, access, loopback, page};
use crate::connection;
use crate::connection::stream::{Sink, Wanted};
use crate::identity::{Accepted, Credentials, Identity, Presented};
use crate::node::Node;
use crate::transport::accept;
use crate::transport::ws::{self, Origins};

/// Seconds. The goal is that hardly any handshake takes longer than a tenth.
const DURATIONS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0];

#[derive(Debug)]
pub(crate) struct Gate {
    node: Arc<Node>,
    /// Of the client port, if it has TLS.
    certificates: Option<Arc<Certificates>>,
    configured: Origins,
    /// For requests from the gateway's own pages.
    any: Origins,
    /// Serves a page of its own on loopback, which pages of other names must not pass for.
    local: bool,
    pub(super) rejections: accept::Metrics,
    refused: Refused,
    duration: Histogram,
    clients: TaskTracker,
    /// Of all who come. None: any number.
    handshakes: Option<DefaultDirectRateLimiter>,
}

/// Two seconds' worth may come at once. 0: any number.
fn handshakes(per_second: u32) -> Option<DefaultDirectRateLimiter> {
    let rate = NonZeroU32::new(per_second)?;
    let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
    Some(RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)))
}

impl Gate {
    pub(crate) fn new(
        node: Arc<Node>,
        certificates: Option<Arc<Certificates>>,
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
        let handshakes = handshakes(node.config.limits.handshakes_per_second);
        Ok(Self {
            node,
            certificates,
            configured,
            any,
            local,
            rejections,
            refused: Refused::register(registry)?,
            duration,
            clients: TaskTracker::new(),
            handshakes,
        })
    }

    /// Resolves when every client that came through has gone. Once only requests that were under way
    /// can bring new ones.
    pub(crate) async fn emptied(&self) {
        self.clients.close();
        self.clients.wait().await;
    }

    /// How to connect to a node whose client port has TLS, as this one's has.
    pub(crate) fn for_peers(&self) -> Option<Arc<ClientConfig>> {
        self.certificates.as_ref()?.for_peers()
    }

    /// Which pages may send this request. What no page sends is none of their business.
    pub(super) fn origins(&self, request: &Request) -> &Origins {
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

    pub(super) fn refused(&self) -> &Refused {
        &self.refused
    }

    /// Whether one more client may come in now. Asked before anything that costs more.
    pub(crate) fn admit(&self) -> Result<(), Problem> {
        if self.handshakes.as_ref().is_none_or(|limit| limit.check().is_ok()) {
            return Ok(());
        }
        self.rejections.rejected("rate");
        Err(Problem::new(
            ErrorCode::TooManyRequests,
            "too many clients come to this node at once (limits.handshakes_per_second); try again, or another node",
        ))
    }

    /// Who asks for an event stream. Clients that show nothing may if there is an endpoint for them.
    pub(crate) async fn identify_anywhere(&self, shown: Presented) -> Result<Option<Identity>, Problem> {
        let anonymous = self.node.config.endpoints.iter().any(|one| one.anonymous);
        self.identify(shown, anonymous).await
    }

    /// What a request shows of who sends it.
    pub(crate) fn presented(&self, request: &Request) -> Presented {
        let from = access::client(request.extensions());
        let accepted = Accepted {
            passwords: !self.node.users.is_empty(),
            cookies: self.trusts_cookies(request),
        };
        Presented::of(request.headers(), request.uri(), from, accepted)
    }

    /// What a cookie of this name shows, if it counts: else it is as good as none.
    pub(super) fn shown_by_cookie(&self, request: &Request, name: &str) -> Option<Credentials> {
        let token = Credentials::of_cookie(request.headers(), name)?;
        let tokens = self.node.tokens.as_ref()?;
        let counts = self.trusts_cookies(request) && tokens.verify(token.as_str()).is_ok();
        counts.then_some(Credentials::Token(token))
    }

    /// Whether cookies tell who sends this request. A browser sends them whatever page makes it ask, so the
    /// page must be the gateway's own or of an origin that is named; `*` names none.
    fn trusts_cookies(&self, request: &Request) -> bool {
        let headers = request.headers();
        let own = page::host(headers, request.uri()).is_some_and(|host| page::is_own(headers, &host));
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            // Browsers leave it out where a page asks its own server.
            (None, _) => headers
                .get("sec-fetch-site")
                .is_some_and(|site| site == "same-origin"),
            (Some(_), None) if own => self.is_named_rightly(request),
            (Some(origin), None) => origin.to_str().is_ok_and(|origin| self.configured.names(origin)),
            _ => false,
        }
    }

    /// Who wants to connect. `anonymous`: one that shows nothing may pass. What does not count is refused even
    /// so: its bearer does not expect to be nobody.
    pub(crate) async fn identify(
        &self,
        shown: Presented,
        anonymous: bool,
    ) -> Result<Option<Identity>, Problem> {
        let from = shown.from;
        let identity = self.know(shown, anonymous).await;
        let identity = identity.inspect_err(|_| self.rejections.rejected("token"))?;
        let user = identity.as_ref().map(|identity| &identity.user);
        self.node.check_room(from, user).map_err(|(reason, failure)| {
            self.rejections.rejected(reason);
            Problem::new(failure.code, failure.message)
        })?;
        Ok(identity)
    }

    /// Who sends a request that will not stay.
    pub(super) async fn know(&self, shown: Presented, anonymous: bool) -> Result<Option<Identity>, Problem> {
        let node = &self.node;
        let identity = match (shown.credentials, &node.tokens) {
            (Some(Credentials::Token(token)), Some(tokens)) => tokens
                .verify_anew(token.as_str())
                .await
                .map(Some)
                .map_err(|error| Problem::new(error.code(), error.to_string())),
            (Some(Credentials::Password { user, password }), _) => node
                .users
                .check(&user, &password, shown.from)
                .await
                .map(Some)
                .map_err(|error| Problem::new(error.code(), error.to_string())),
            _ if anonymous => Ok(None),
            (_, Some(_)) => Err(Problem::new(
                ErrorCode::Unauthorized,
                "a token is needed: send it as `?token=`, as `Authorization: Bearer TOKEN` or in the cookie `tidegate_token`",
            )),
            (_, None) if !node.users.is_empty() => Err(Problem::new(
                ErrorCode::Unauthorized,
                "a name and a password are needed: send them as `Authorization: Basic`",
            )),
            (_, None) => Err(Problem::new(
                ErrorCode::Unauthorized,
                "this server knows neither tokens nor users and lets nobody in without: set [auth.jwt] or [[auth.users]], or `anonymous = true` for an endpoint",
            )),
        };
        identity.map_err(|problem| match problem.status() {
            StatusCode::UNAUTHORIZED => problem.with_header(header::WWW_AUTHENTICATE, self.challenge()),
            _ => problem,
        })
    }

    /// Which credentials are asked for. A browser asks its user for a password where `Basic` is named.
    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static(match (&self.node.tokens, self.node.users.is_empty()) {
            (None, false) => "Basic realm=\"tidegate\", charset=\"UTF-8\"",
            _ => "Bearer realm=\"tidegate\"",
        })
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn shared_node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Serves a client until it has gone.
    pub(crate) fn spawn(&self, client: impl Future<Output = ()> + Send + 'static) {
        self.clients.spawn(client);
    }

    /// From a request for a WebSocket to the WebSocket.
    pub(super) fn handshake_took(&self, time: Duration) {
        self.duration.observe(time.as_secs_f64());
    }

    /// For requests whose page was looked at.
    pub(crate) fn any_origin(&self) -> &Origins {
        &self.any
    }

    /// Counts a client that was not let in.
    pub(crate) fn rejected(&self, reason: &'static str) {
        self.rejections.rejected(reason);
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
