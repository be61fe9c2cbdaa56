//! Asking other servers over HTTP, with TLS or without: key sets, traces. One request to a connection.
//!
//! For a few requests a minute to addresses that the configuration names; bounded in bytes and time, follows no
//! redirect.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::{self, TlsError};

/// For all of a request and its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer.
const ANSWER: usize = 1 << 20;

#[derive(Debug, Error)]
pub enum WebError {
    #[error("{0} is no address of a server: write http://host or https://host")]
    Address(Uri),
    #[error("it cannot be reached: {0}")]
    Connect(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("it does not answer as HTTP servers do: {0}")]
    Http(#[from] hyper::Error),
    #[error("its answer is too large, or ends early")]
    Body,
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Late,
}

/// Keeps the certificates that the system trusts, once they were needed.
#[derive(Default)]
pub struct Web {
    tls: OnceCell<TlsConnector>,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Web").finish_non_exhaustive()
    }
}

impl Web {
    /// Sends it to where its URI leads. Gives the answer's status and body.
    pub async fn ask(&self, request: Request<Bytes>) -> Result<(StatusCode, Bytes), WebError> {
        tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .unwrap_or(Err(WebError::Late))
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<(StatusCode, Bytes), WebError> {
        let uri = request.uri().clone();
        let bad = || WebError::Address(uri.clone());
        let host = uri.host().ok_or_else(bad)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match uri.scheme_str() {
            Some("http") => {
                let tcp = TcpStream::connect((bare, uri.port_u16().unwrap_or(80))).await?;
                send(tcp, request).await
            }
            Some("https") => {
                let name = ServerName::try_from(bare.to_owned()).map_err(|_| bad())?;
                let tls = self.tls.get_or_try_init(connector).await?;
                let tcp = TcpStream::connect((bare, uri.port_u16().unwrap_or(443))).await?;
                send(tls.connect(name, tcp).await?, request).await
            }
            _ => Err(bad()),
        }
    }
}

/// Reading what the system trusts takes a moment.
async fn connector() -> Result<TlsConnector, TlsError> {
    let read = tokio::task::spawn_blocking(|| tls::client(None, None));
    let config = read.await.map_err(|error| TlsError::Other(error.to_string()))??;
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn send<S>(stream: S, request: Request<Bytes>) -> Result<(StatusCode, Bytes), WebError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = request.map(Full::new);
    let uri = std::mem::take(request.uri_mut());
    if let Some(authority) = uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    if let Some(path) = uri.path_and_query() {
        *request.uri_mut() = Uri::from(path.clone());
    }
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        Ok((status, body.map_err(|_| WebError::Body)?.to_bytes()))
    };
    // The connection only moves what the exchange asks for, and ends with it.
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}
