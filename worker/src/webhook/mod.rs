//! The built-in job [`Webhook`]: a job for whoever can serve HTTP.
//!
//! Names are resolved here, and only addresses that were looked at are connected to, so that no name can
//! lead to an address that may not be called. Never follows a redirect.

mod address;
mod answer;
mod client;
mod connect;
mod error;
mod request;
mod signature;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_shared::clock::since_1970;
use tidegate_shared::config;
use tokio_util::task::AbortOnDropHandle;

use crate::context::Context;
use crate::failure::JobFailure;
use crate::job::{Handler, Job};
pub use client::{HttpClient, HttpError};
use connect::Connector;
use error::WebhookError;
use request::{Content, Target};
use signature::Signer;

/// How long a server may be silent, before its answer and within it.
const PATIENCE: Duration = Duration::from_secs(300);
/// Largest head of an answer, in bytes.
const HEAD_LIMIT: usize = 32 * 1024;
const HEADER_LIMIT: usize = 64;

/// The job `webhook`: POSTs the job to a URL and takes the answer for its outcome.
///
/// Input: `{"url": "https://…", "body": …, "headers": {"name": "value"}}`. The request's body is `body` as it
/// was written, or without one the job itself: `{"id", "type", "queue", "attempt", "user", "created_at"}`.
///
/// | request header | |
/// |---|---|
/// | `Content-Type` | `application/json`, unless `headers` says otherwise |
/// | `Idempotency-Key` | the job's id: the same for each attempt, so whoever has seen it may answer as before |
/// | `Tidegate-Attempt` | 1, 2, 3 … |
/// | `Tidegate-Signature` | `t=1760000000,v1=5257a8…`, if the worker's configuration has a secret |
///
/// `t` is when the request was sent, in seconds since 1970; `v1` is the HMAC-SHA256, in hexadecimal, of `t`, a
/// full stop, and the request's body, with the configured secret as its key. Compute it over the bytes as
/// they came, compare in constant time, and refuse a `t` that is more than five minutes away.
///
/// | answer | |
/// |---|---|
/// | 2xx | the job has succeeded: with the body as its result, as JSON or else as a text |
/// | 2xx with `Content-Type: application/x-ndjson` | lines as they come: `{"percent": 42, "message": "…", "progress": …}` is progress, the last other line is the result |
/// | 408, 425, 429, 5xx; no answer | another attempt; when, `Retry-After: seconds` may say |
/// | anything else | the job has failed: there are no other attempts, and no redirect is followed |
///
/// A result has 64 KiB at most. A server that says nothing for five minutes has not answered, unless the
/// job's timeout allows it more. When the job is cancelled or out of time, the connection is closed.
///
/// Addresses that are not public (loopback, private, link-local, and such) are refused unless the
/// configuration says `allow_private = true`, whatever name leads to them.
#[derive(Debug)]
pub struct Webhook;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookInput {
    pub url: String,
    #[serde(default)]
    pub body: Option<Box<RawValue>>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Without what may be secret.
impl fmt::Debug for WebhookInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookInput").finish_non_exhaustive()
    }
}

impl Job for Webhook {
    const TYPE: &'static str = "webhook";
    type Input = WebhookInput;
    type Progress = ();
    type Output = Box<RawValue>;
}

/// Calls URLs.
#[derive(Debug)]
pub struct WebhookHandler {
    connector: Connector,
    signer: Option<Signer>,
    patience: Duration,
}

impl WebhookHandler {
    pub fn new(settings: &config::Webhook) -> Self {
        Self {
            connector: Connector::new(settings.allow_private),
            signer: settings.secret.as_deref().map(Signer::new),
            patience: PATIENCE,
        }
    }

    /// How long a server may be silent; five minutes unless set.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn call(
        &self,
        input: WebhookInput,
        context: &Context<Webhook>,
    ) -> Result<Box<RawValue>, WebhookError> {
        let target = Target::parse(&input.url)?;
        let body = Content::new(input.body, context.record())?;
        let signature = self
            .signer
            .as_ref()
            .map(|signer| signer.sign(since_1970().as_secs(), body.bytes()));
        let request = request::build(&target, &input.headers, body, context.record(), signature)?;
        let stream = self.connector.open(&target).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .max_headers(HEADER_LIMIT)
            .handshake::<_, Full<bytes::Bytes>>(TokioIo::new(stream))
            .await
            .map_err(WebhookError::Exchange)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        // A job that says how long it may take is told when that is over.
        let left = context
            .deadline()
            .map(|at| at.saturating_duration_since(Instant::now()));
        let patience = left.map_or(self.patience, |left| left.max(self.patience));
        let answer = tokio::time::timeout(patience, sender.send_request(request)).await;
        let answer = answer
            .map_err(|_| WebhookError::Silent(patience))?
            .map_err(WebhookError::Exchange)?;
        answer::read(answer, patience, &|progress| context.put(progress)).await
    }
}

impl Handler<Webhook> for WebhookHandler {
    async fn run(&self, input: WebhookInput, context: Context<Webhook>) -> Result<Box<RawValue>, JobFailure> {
        // A worker that shuts down lets the exchange go on for as long as it can.
        tokio::select! {
            stopped = context.cancelled() => Err(stopped.into()),
            answer = self.call(input, &context) => answer.map_err(WebhookError::into_failure),
        }
    }
}
