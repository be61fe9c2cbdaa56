//! The client port: accepts TCP connections and serves HTTP on them, until told to stop.
//!
//! Relies on the router to know every path; a WebSocket's endpoint takes the stream out of the HTTP
//! connection (`ws::Opening`). Never ends because of what a client or the system does: whatever
//! `accept` reports, it goes on.

mod closing;
mod line;
mod metrics;
pub(crate) mod options;
mod proxied;
mod slots;
mod stream;
mod writer;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::tls::Certificates;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::Service;

pub use line::Line;
pub use metrics::Metrics;
pub use proxied::{Beginning, ClientAddress, Trusted, begin};
pub use stream::ClientStream;
pub use writer::Writer;

use self::slots::{Slot, Slots};
use super::http::Problem;
use super::ws::KeepBack;

/// Most bytes that hyper keeps of one connection, both ways, beside a request's head.
const MAX_BUFFER: usize = 64 * 1024;
/// Connections over the limit that are being told so. More than these are closed without a word.
const REFUSALS: usize = 64;
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection may take for its first request once the port closes: a proxy that has connected sends
/// its request in a moment, and none that it has sent a second time.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// First and longest pause after `accept` failed for want of a resource.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

#[derive(Debug, Clone)]
pub struct Settings {
    /// Most connections at a time, upgraded ones and others together. Who comes above gets HTTP 503 with
    /// `Retry-After`, a WebSocket handshake as well: another node may have room, which a close code of
    /// 3500 and above would forbid to look for.
    pub connections: usize,
    /// Most bytes of a request's head. Larger: 431.
    pub head: usize,
    /// For a request's head to arrive, and for the next request on a connection that is kept alive.
    pub handshake_timeout: Duration,
    /// How long requests may still take after `shutdown`.
    pub drain: Duration,
    /// Proxies that are believed.
    pub trusted: Trusted,
    /// Absent: without TLS.
    pub tls: Option<Arc<Certificates>>,
}

/// Serves `router` until `shutdown`. Then nothing more is accepted, who had connected before is still served one
/// request, requests under way are finished (or cut when `settings.drain` has passed), and it returns. What was upgraded is its owner's to end.
///
/// Requests carry whom they come from as `ConnectInfo<SocketAddr>` and, where proxies of their own tell more,
/// as [`ClientAddress`]; and their connection as [`Line`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    serve_all(vec![(listener, router)], settings, metrics, shutdown).await;
}

/// The same for several ports, which share the limits.
pub async fn serve_all(
    ports: Vec<(TcpListener, Router)>,
    settings: Settings,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    metrics.set_limit(settings.connections);
    let slots = Slots::new(settings.connections);
    let ports = ports
        .into_iter()
        .map(|(listener, router)| serve_port(listener, router, &slots, &settings, &metrics, &shutdown));
    futures_util::future::join_all(ports).await;
}

async fn serve_port(
    listener: TcpListener,
    router: Router,
    slots: &Slots,
    settings: &Settings,
    metrics: &Metrics,
    shutdown: &CancellationToken,
) {
    let refusals = Slots::new(REFUSALS);
    let full = Router::new().fallback(|| async { too_many_connections() });
    let http = http1_with(settings.handshake_timeout, settings.head);
    let http_for_refusals = http1_with(settings.handshake_timeout.min(REFUSAL_TIMEOUT), settings.head);
    let cut = CancellationToken::new();
    let (serving, mut served) = mpsc::channel::<Infallible>(1);
    let mut back_off = BACK_OFF.0;
    let receive = |stream: TcpStream, peer: SocketAddr| {
        let (slot, http, router) = if let Some(slot) = slots.take() {
            (slot, &http, &router)
        } else {
            metrics.rejected("limit");
            let Some(slot) = refusals.take() else { return };
            (slot, &http_for_refusals, &full)
        };
        let life = Life {
            shutdown: shutdown.clone(),
            cut: cut.clone(),
            line: Line::new(serving.clone()),
            trusted: settings.trusted.clone(),
            patience: settings.handshake_timeout,
            metrics: metrics.clone(),
            tls: settings.tls.clone(),
        };
        let client = Client { stream, slot, peer };
        tokio::spawn(serve_one(client, router.clone(), http.clone(), life));
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_connection(&error) => continue,
            Err(error) => {
                metrics.rejected("accept_error");
                tracing::warn!(%error, pause = ?back_off, "connections cannot be accepted; trying again");
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = tokio::time::sleep(back_off) => {}
                }
                back_off = (back_off * 2).min(BACK_OFF.1);
                continue;
            }
        };
        back_off = BACK_OFF.0;
        receive(stream, peer);
    }
    closing::close(listener, receive).await;
    drop(serving);
    if tokio::time::timeout(settings.drain, served.recv()).await.is_err() {
        tracing::warn!(after = ?settings.drain, "requests that did not end in time are cut");
        cut.cancel();
    }
}

/// Whether a connection has had a request.
#[derive(Debug, Default)]
struct Asked {
    once: AtomicBool,
    told: Notify,
}

impl Asked {
    fn note(&self) {
        if !self.once.swap(true, Ordering::Relaxed) {
            self.told.notify_one();
        }
    }

    fn was(&self) -> bool {
        self.once.load(Ordering::Relaxed)
    }

    /// Resolves with the first request, or when it did not come in time.
    async fn first(&self) {
        if !self.was() {
            // The error is that nothing came.
            let _ = timeout(FIRST_REQUEST, self.told.notified()).await;
        }
    }
}

/// How long a connection is served.
struct Life {
    /// End after the request under way.
    shutdown: CancellationToken,
    /// End now.
    cut: CancellationToken,
    line: Line,
    trusted: Trusted,
    /// For what comes before the first request.
    patience: Duration,
    metrics: Metrics,
    tls: Option<Arc<Certificates>>,
}

/// Who was accepted.
struct Client {
    stream: TcpStream,
    slot: Slot,
    peer: SocketAddr,
}

impl Client {
    /// Finds out where it comes from, and shakes hands. `None` if it is of no use.
    async fn prepare(mut self, life: &Life) -> Option<(ClientStream, SocketAddr)> {
        let source = timeout(life.patience, life.trusted.source(&mut self.stream, self.peer));
        let Ok(Some(peer)) = source.await else {
            tracing::debug!(peer = %self.peer, "a proxy's connection begins with what cannot be read");
            return None;
        };
        let Some(certificates) = &life.tls else {
            return Some((ClientStream::new(self.stream, self.slot), peer));
        };
        let secured = ClientStream::secure(self.stream, self.slot, certificates.current());
        match timeout(life.patience, Box::pin(secured)).await {
            Ok(Ok(stream)) => return Some((stream, peer)),
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
        life.metrics.rejected("tls");
        None
    }
}

async fn serve_one(client: Client, router: Router, http: http1::Builder, life: Life) {
    let Some((stream, peer)) = client.prepare(&life).await else {
        return;
    };
    let Life {
        shutdown,
        cut,
        line,
        trusted,
        metrics,
        ..
    } = life;
    let lent = line.clone();
    let asked = Arc::new(Asked::default());
    let keeps_back = Arc::new(AtomicBool::new(false));
    let stream = stream.keeping_back(keeps_back.clone());
    let asks = asked.clone();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        asks.note();
        let client = trusted.client(peer.ip(), request.headers());
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(lent.clone());
        let answered = router.clone().call(request.map(Body::new));
        let keeps_back = keeps_back.clone();
        async move {
            let response = answered.await;
            if response
                .as_ref()
                .is_ok_and(|one| one.extensions().get::<KeepBack>().is_some())
            {
                keeps_back.store(true, Ordering::Relaxed);
            }
            response
        }
    });
    let mut connection = pin!(
        http.serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = line.is_cut() => return,
        () = shutdown.cancelled() => {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return report(&peer, &metrics, &asked, ended),
                () = line.is_cut() => return,
                () = asked.first() => connection.as_mut().graceful_shutdown(),
            }
            tokio::select! {
                ended = connection => ended,
                () = line.is_cut() => return,
                () = cut.cancelled(), if !line.is_kept() => return,
            }
        }
    };
    report(&peer, &metrics, &asked, ended);
}

/// Clients that go away or send rubbish: of interest only to who looks for them.
fn report(peer: &SocketAddr, metrics: &Metrics, asked: &Asked, ended: hyper::Result<()>) {
    if let Err(error) = ended {
        if error.is_parse_too_large() {
            metrics.rejected("head");
        } else if error.is_timeout() && !asked.was() {
            metrics.rejected("slow");
        }
        tracing::debug!(%peer, %error, "an HTTP connection ended early");
    }
}

fn http1_with(head_timeout: Duration, head: usize) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_header_size(head)
        .max_buf_size(head + MAX_BUFFER);
    http
}

fn too_many_connections() -> Response {
    let problem = Problem::new(
        ErrorCode::Unavailable,
        "this node has as many connections as it may (limits.connections); try again, or another node",
    );
    let mut response = problem.into_response();
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A client that was gone before it was accepted; everything else is about this process or machine.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::Interrupted
    )
}
