//! A gateway's life: build the parts, serve, drain, end.
//!
//! Everything comes in as an argument (sockets, backend, configuration, the signal to stop), so that
//! the binary, `tidegate dev` and the tests start the very same thing. Installs no signal handler and
//! reads no environment.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use prometheus::Registry;
use thiserror::Error;
use tidegate_shared::backend::Backend;
use tidegate_shared::config::Config;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Health, Lag, LagMetrics};
use crate::transport::http::{self, Api};

/// Bound sockets. Clients and operators never share one.
#[derive(Debug)]
pub struct Listeners {
    pub client: TcpListener,
    /// Probes and metrics; absent where nobody asks for them.
    pub admin: Option<TcpListener>,
}

/// What is not configuration.
#[derive(Debug, Default)]
pub struct Options {
    /// Where the gateway's metrics go, and what `/metrics` shows.
    pub registry: Registry,
    /// Extra routes of the client port.
    pub routes: Option<Router>,
    /// Without API keys, `/api` is open to clients on loopback instead of closed.
    pub open_api_on_loopback: bool,
}

/// Why a gateway could not go on.
#[derive(Debug, Error)]
pub enum RunError {
    #[error("{0}")]
    Refused(String),
    #[error("a metric cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("a listening socket failed: {0}")]
    Listener(#[from] io::Error),
}

/// Serves until `shutdown`, then lets go of its clients and returns.
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
    let health = Arc::new(Health::register(&registry)?);
    let lag = Lag::new();
    let lag_metrics = LagMetrics::register(&registry)?;
    let link = backend.broker.link();
    let api = Arc::new(Api::new(backend, &config, open_api_on_loopback));
    let client = axum::serve(
        listeners.client,
        http::router(api, routes).into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let admin = admin::router(Arc::clone(&health), Arc::clone(&lag), registry);
    let admin = async {
        match listeners.admin {
            Some(listener) => axum::serve(listener, admin).await,
            None => std::future::pending().await,
        }
    };
    let drain = async {
        shutdown.cancelled().await;
        health.drain();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = client => Ok(result?),
        result = admin => Ok(result?),
        why = health.follow(link) => Err(RunError::Refused(why)),
        () = lag.measure(&lag_metrics) => Ok(()),
        () = drain => Ok(()),
    }
}
