//! A gateway's life: build the parts, serve, drain, end.
//!
//! Everything comes in as an argument (sockets, backend, configuration, the signal to stop), so that
//! the binary, `tidegate dev` and the tests start the very same thing. Installs no signal handler and
//! reads no environment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use prometheus::Registry;
use thiserror::Error;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::Link;
use tidegate_shared::config::{Config, Drain};
use tidegate_shared::telemetry::Build;
use tidegate_shared::tls::{Certificates, TlsError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Health, Lag, LagMetrics};
use crate::advertise;
use crate::capacity;
use crate::listeners::Listeners;
use crate::node::{Node, StartError};
use crate::transport::accept::{self, Settings, Trusted};
use crate::transport::http::{self, Api, Gate};
use crate::transport::ws::{OriginError, Origins};

/// How long requests under way may take once the node is to end.
const REQUESTS_END: Duration = Duration::from_secs(5);
/// How long the last clients may take once all are to go at once; what is left then is cut. Longer than
/// a client may take to answer its close frame.
const END: Duration = Duration::from_secs(8);
/// How long the first clients wait for the backend to be reached, before they are told that it is not. A proxy that
/// was refused a publication does not try it on another node.
const REACHED: Duration = Duration::from_secs(2);
/// Probes and scrapes come one at a time; whoever opens more than this is something else.
const ADMIN_CONNECTIONS: usize = 64;

/// What is not configuration.
#[derive(Debug, Default)]
pub struct Options {
    /// Where the gateway's metrics go, and what `/metrics` shows.
    pub registry: Registry,
    /// Extra routes of the client port, for paths that are neither an endpoint's nor the API's.
    pub routes: Option<Router>,
    /// Without API keys, `/api` is open to clients on loopback instead of closed.
    pub open_api_on_loopback: bool,
}

/// Why a gateway could not start or go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The backend is reached but unfit for use.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Origins(#[from] OriginError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("a metric cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl RunError {
    /// Whether another configuration is all that is needed.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Origins(_) | Self::Tls(_) | Self::Start(StartError::Key(_) | StartError::Password(_))
        )
    }
}

/// Serves until `shutdown`, then lets go of its clients as `config.drain` says and returns. The backend ends by being dropped,
/// after the last request that needed it.
pub async fn run(
    listeners: Listeners,
    backend: Backend,
    config: Arc<Config>,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let Options {
        registry,
        routes,
        open_api_on_loopback,
    } = options;
    let metrics = accept::Metrics::register(&registry)?;
    let health = Arc::new(Health::register(&registry)?);
    let lag = Lag::start(LagMetrics::register(&registry)?);
    Build::register(&registry)?;

    // Whatever ends this function ends what it started.
    let closing = CancellationToken::new();
    let cutting = CancellationToken::new();
    let _end = (closing.clone().drop_guard(), cutting.clone().drop_guard());
    let origins = Origins::parse(&config.gateway.allowed_origins)?;
    let link = backend.broker.link();
    let config = with_address(config, &listeners);
    let node = Node::start(config.clone(), backend.clone(), &registry, cutting.clone())?;
    let end = &cutting;
    let peers = Some(&config.gateway.peers);
    let certificates = Certificates::of_port(config.gateway.tls.as_ref(), peers, end)?;
    let gate = Arc::new(Gate::new(
        node,
        certificates.clone(),
        origins,
        Origins::parse(["*"])?,
        open_api_on_loopback,
        metrics.clone(),
        &registry,
    )?);
    let api = Arc::new(Api::new(gate.clone(), open_api_on_loopback));
    let settings = Settings {
        connections: capacity::connections(config.limits.connections),
        head: config.limits.head,
        handshake_timeout: config.limits.handshake_timeout,
        drain: REQUESTS_END,
        trusted: Trusted(config.gateway.trusted_proxies.clone().into()),
        tls: certificates,
    };
    let admin_settings = Settings {
        connections: ADMIN_CONNECTIONS,
        trusted: Trusted::default(),
        tls: Certificates::of_port(config.gateway.admin_tls.as_ref(), None, end)?,
        ..settings.clone()
    };
    announce(&config, &listeners, open_api_on_loopback);

    let admin_end = CancellationToken::new();
    let _admin_end = admin_end.clone().drop_guard();
    let admin_port = admin_port(
        listeners.admin,
        admin::router(Arc::clone(&health), lag, registry),
        admin_settings,
        admin_end,
    );
    let own = listeners.endpoints.into_iter();
    let ports = std::iter::once((listeners.client, http::router(&gate, api, routes)))
        .chain(own.map(|(address, listener)| (listener, http::own_router(&gate, address))))
        .collect();
    let client_port = accept::serve_all(ports, settings, metrics, closing.clone());
    let opened = reached(link.clone());
    let client_port = async {
        // Who connects meanwhile is not refused, and waits.
        let _ = tokio::time::timeout(REACHED, closing.run_until_cancelled(opened)).await;
        client_port.await;
        gate.emptied().await;
        gate.node().withdraw().await;
    };
    let drained = async {
        shutdown.cancelled().await;
        health.drain();
        gate.node().begin_drain();
        let Drain { grace, max, min_rate } = config.drain;
        // Until the balancer has seen that the node is not ready, it sends clients.
        tokio::time::sleep(grace.min(max)).await;
        closing.cancel();
        let left = max.saturating_sub(grace);
        if !left.is_zero() {
            let _ = tokio::time::timeout(left, async {
                gate.node().let_go(min_rate, left).await;
                gate.emptied().await;
            })
            .await;
        }
        cutting.cancel();
        tokio::time::sleep(END).await;
    };
    tokio::select! {
        () = client_port => {}
        () = drained => tracing::warn!(after = ?END, "clients that did not go in time are cut"),
        why = health.follow(link) => return Err(RunError::Refused(why)),
        result = admin_port => result?,
    }
    Ok(())
}

/// Resolves when the backend is there.
async fn reached(mut link: watch::Receiver<Link>) {
    // The error is that the backend is gone: the process is ending.
    let _ = link.wait_for(|link| matches!(link, Link::Up)).await;
}

/// What other nodes are told, if the configuration does not say it.
fn with_address(config: Arc<Config>, listeners: &Listeners) -> Arc<Config> {
    match listeners.client.local_addr() {
        Ok(bound) if config.gateway.advertise.is_none() => {
            let mut config = (*config).clone();
            config.gateway.advertise = Some(advertise::derive(bound, config.gateway.tls.is_some()));
            Arc::new(config)
        }
        _ => config,
    }
}

/// Serves probes and metrics, never ending before it is dropped: they are looked at during the end, too.
async fn admin_port(
    listener: Option<TcpListener>,
    router: Router,
    settings: Settings,
    end: CancellationToken,
) -> Result<(), prometheus::Error> {
    if let Some(listener) = listener {
        // Its connections are no clients: what they count is shown nowhere.
        let uncounted = accept::Metrics::register(&Registry::new())?;
        accept::serve(listener, router, settings, uncounted, end).await;
    }
    std::future::pending().await
}

/// Says in the log where the node is and who may do what there.
fn announce(config: &Config, listeners: &Listeners, open_api_on_loopback: bool) {
    let place = |listener: &TcpListener| {
        listener
            .local_addr()
            .map(|address: SocketAddr| address.to_string())
    };
    if let Ok(address) = place(&listeners.client) {
        tracing::info!("serving clients on {address}");
    }
    for address in listeners.endpoints.iter().filter_map(|(_, one)| place(one).ok()) {
        tracing::info!("serving an endpoint on {address}");
    }
    if let Some(Ok(address)) = listeners.admin.as_ref().map(place) {
        tracing::info!("serving probes and metrics on {address}");
    }
    for endpoint in &config.endpoints {
        if endpoint.anonymous {
            tracing::info!(
                "{}: anonymous = true; whoever reaches this endpoint may do what the configuration lets \"anyone\" do",
                endpoint.path
            );
        } else if !config.knows_users() {
            tracing::warn!(
                "{}: no client can connect, as neither tokens nor users are known: set [auth.jwt] (or TIDEGATE_TOKEN_SECRET) or [[auth.users]], or `anonymous = true` for it or in [auth]",
                endpoint.path
            );
        }
    }
    match (config.auth.api_keys.is_empty(), open_api_on_loopback) {
        (false, _) => {}
        (true, false) => tracing::info!("/api is closed: no API key is set"),
        (true, true) => tracing::info!("/api is open to programs on this machine: no API key is set"),
    }
}
