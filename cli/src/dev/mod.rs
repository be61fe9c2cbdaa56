//! `tidegate dev`: a gateway and a worker in one process, with a page to try them. In memory, unless a
//! Redis is named. Made for one person's machine: everyone who can reach its port may do everything.

mod banner;
mod page;
mod systems;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tidegate_gateway::{Listeners, Options};
use tidegate_shared::backend::Backend;
use tidegate_shared::config::Config;
use tidegate_shared::embedded::Store;
use tidegate_shared::redis::{self, RedisMetrics};
use tidegate_shared::telemetry;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::args::Dev;
use crate::failure::Failure;
use crate::output;
use banner::Banner;

/// For gateway and worker to end after Ctrl-C.
const END: Duration = Duration::from_secs(15);

pub(crate) async fn run(
    arguments: Dev,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<ExitCode, Failure> {
    let mut config = Config::load(arguments.config.as_deref(), environment, arguments.overrides())
        .map_err(Failure::Config)?;
    let directory = std::env::current_dir()
        .and_then(|directory| directory.canonicalize())
        .map_err(|error| Failure::failed("the current directory cannot be used", &error))?;
    let redis = arguments.redis_url.is_some()
        || environment("TIDEGATE_REDIS_URL").is_some_and(|url| !url.is_empty())
        || config.redis.url != Config::default().redis.url;
    open_for_everyone(&mut config, directory);
    telemetry::init(&config.telemetry)
        .map_err(|error| Failure::failed("the log cannot be set up", &error))?;

    let listener = bind(config.gateway.listen).await?;
    let endpoints = Listeners::bind_endpoints(&config).map_err(|error| Failure::Failed(error.to_string()))?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::failed("the port cannot be read", &error))?;
    let shutdown = CancellationToken::new();
    let registry = Registry::new();
    let backends = if redis {
        Backends::redis(&config, &registry, &shutdown)?
    } else {
        Backends::memory(&config)
    };
    let banner = Banner::new(address, &config, redis);
    match output::line(&banner.to_string()) {
        // `tidegate dev | head` has read enough; that is no reason to stop.
        Ok(()) | Err(Failure::OutputClosed) => {}
        Err(failure) => return Err(failure),
    }
    let listeners = Listeners {
        client: listener,
        admin: None,
        endpoints,
    };
    serve(listeners, backends, Arc::new(config), registry, shutdown).await
}

/// What makes it convenient, and fit for one person's machine only.
fn open_for_everyone(config: &mut Config, directory: PathBuf) {
    for endpoint in &mut config.endpoints {
        endpoint.anonymous = true;
    }
    // Ctrl-C ends it at once: no other node is there to take the clients.
    config.drain.grace = Duration::ZERO;
    config.drain.max = Duration::ZERO;
    if config.worker.backup_roots.is_empty() {
        config.worker.backup_roots.push(directory);
    }
}

/// A backend for each of the two, on the same data.
struct Backends {
    gateway: Backend,
    worker: Backend,
}

impl Backends {
    fn memory(config: &Config) -> Self {
        let store = Store::new(config.namespaces.clone());
        Self {
            gateway: store.open(),
            worker: store.open(),
        }
    }

    fn redis(config: &Config, registry: &Registry, shutdown: &CancellationToken) -> Result<Self, Failure> {
        let metrics = RedisMetrics::register(registry)
            .map_err(|error| Failure::failed("a metric cannot be registered", &error))?;
        let open = || {
            redis::open(&config.redis, &config.namespaces, &metrics, shutdown.clone())
                .map_err(|error| Failure::Usage(error.to_string()))
        };
        Ok(Self {
            gateway: open()?,
            worker: open()?,
        })
    }
}

/// Runs both until Ctrl-C or until one of them fails; then ends the other, too.
async fn serve(
    listeners: Listeners,
    backends: Backends,
    config: Arc<Config>,
    registry: Registry,
    shutdown: CancellationToken,
) -> Result<ExitCode, Failure> {
    let source = config.worker.backup_roots.first().cloned().unwrap_or_default();
    let endpoint = banner::native(&config).unwrap_or("/ws");
    let taken = config
        .endpoints
        .iter()
        .any(|endpoint| endpoint.path == "/" && endpoint.listen.is_none());
    let options = Options {
        registry,
        routes: (!taken).then(|| page::router(endpoint, &source).merge(systems::router(&config))),
        open_api_on_loopback: true,
    };
    let gateway = tidegate_gateway::run(
        listeners,
        backends.gateway,
        Arc::clone(&config),
        options,
        shutdown.clone(),
    );
    let gateway = tokio::spawn(ending(gateway, shutdown.clone()));
    let worker = tidegate_worker::run(config, backends.worker, None, Registry::new(), shutdown.clone());
    let worker = tokio::spawn(ending(worker, shutdown.clone()));

    tokio::select! {
        signal = interrupt() => signal.map_err(|error| Failure::failed("signals cannot be heard", &error))?,
        () = shutdown.cancelled() => {}
    }
    shutdown.cancel();
    let ends = timeout(END, async { (gateway.await, worker.await) });
    let (gateway, worker) = tokio::select! {
        ends = ends => ends.map_err(|_| {
            Failure::Failed(format!("not all work ended within {} seconds", END.as_secs()))
        })?,
        _ = interrupt() => return Err(Failure::Failed("ended without waiting for running work".into())),
    };
    let fallen =
        |who: &str, error: &dyn std::fmt::Display| Failure::failed(&format!("the {who} failed"), error);
    gateway
        .map_err(|error| fallen("gateway", &error))?
        .map_err(|error| fallen("gateway", &error))?;
    worker
        .map_err(|error| fallen("worker", &error))?
        .map_err(|error| fallen("worker", &error))?;
    Ok(ExitCode::SUCCESS)
}

/// Whatever makes one part end ends the whole.
async fn ending<T>(part: impl Future<Output = T>, shutdown: CancellationToken) -> T {
    let _end = shutdown.drop_guard();
    part.await
}

/// Ctrl-C or SIGTERM.
async fn interrupt() -> io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let port = address.port();
        let next = SocketAddr::new(address.ip(), port.checked_add(1).unwrap_or(8080));
        Failure::Failed(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "port {port} is in use: stop what listens there (`ss -ltnp sport = :{port}` shows it), or take \
                 another port: --listen {next}"
            ),
            io::ErrorKind::AddrNotAvailable => {
                format!("this machine has no address {}: try --listen 127.0.0.1:{port}", address.ip())
            }
            io::ErrorKind::PermissionDenied => format!(
                "port {port} is not for everyone to listen on: take one above 1023, as --listen {}",
                SocketAddr::new(address.ip(), 8080)
            ),
            _ => format!("cannot listen on {address}: {error}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_answered_with_what_to_do() {
        let first = bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a free port");
        let address = first.local_addr().expect("bound");
        let Err(Failure::Failed(text)) = bind(address).await else {
            panic!("two listeners on {address}")
        };
        assert!(
            text.starts_with(&format!("port {} is in use", address.port())),
            "{text}"
        );
        assert!(text.contains("--listen 127.0.0.1:"), "{text}");
    }
}
