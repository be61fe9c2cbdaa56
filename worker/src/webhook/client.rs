//! One request with one answer, for whatever on a worker has to ask another server.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;

use super::connect::Connector;
use super::request::{self, Target};
use super::{HEAD_LIMIT, HEADER_LIMIT};

/// Why there is no answer. Holds no part of the URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct HttpError(String);

/// Asks by `GET`, over a connection for each request, and follows no redirect.
pub struct HttpClient {
    connector: Connector,
    /// For all of it.
    time: Duration,
    /// Largest answer, in bytes.
    size: usize,
}

impl HttpClient {
    /// For public addresses, or for any; with ten seconds for each request and a mebibyte for its answer.
    pub fn new(allow_private: bool) -> Self {
        Self {
            connector: Connector::new(allow_private),
            time: Duration::from_secs(10),
            size: 1 << 20,
        }
    }

    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    #[must_use]
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// The body of an answer of success.
    pub async fn get(&self, url: &str) -> Result<Bytes, HttpError> {
        match tokio::time::timeout(self.time, self.exchange(url)).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError(format!("there was no answer within {:?}", self.time))),
        }
    }

    async fn exchange(&self, url: &str) -> Result<Bytes, HttpError> {
        let target = Target::parse(url).map_err(told)?;
        let request = request::get(&target).map_err(told)?;
        let stream = self.connector.open(&target).await.map_err(told)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .max_headers(HEADER_LIMIT)
            .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(told)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = sender.send_request(request).await.map_err(told)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(HttpError(format!("the server answered {status}")));
        }
        let body = Limited::new(answer.into_body(), self.size).collect().await;
        let body =
            body.map_err(|error| HttpError(format!("the answer broke off or is too large: {error}")))?;
        Ok(body.to_bytes())
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

fn told(error: impl fmt::Display) -> HttpError {
    HttpError(error.to_string())
}
