//! The gateway's HTTP API, for what operators ask: one request on a connection of its own.
//!
//! Answers are documents of somebody else: whoever shows them makes them plain first.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::client::Target;
use crate::failure::Failure;

/// For the connection and the answer together.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer: a page of the largest records, and more.
const ANSWER: usize = 64 << 20;

pub(crate) struct Api {
    base: Url,
    key: Option<HeaderValue>,
}

impl Api {
    pub(crate) fn new(target: &Target, key: Option<&str>) -> Result<Self, Failure> {
        let header = |key: &str| HeaderValue::from_str(&format!("Bearer {}", key.trim()));
        let key = key.filter(|key| !key.is_empty()).map(header).transpose();
        let mut key =
            key.map_err(|_| Failure::Usage("the API key holds characters that no key has".to_owned()))?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        let base = target.api().map_err(Failure::Usage)?;
        Ok(Self { base, key })
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut()
                .extend_pairs(query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        self.ask(Method::GET, &url, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, &self.url(path), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::DELETE, &self.url(path), None).await
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path()));
        url
    }

    async fn ask(&self, method: Method, url: &Url, body: Option<&Value>) -> Result<Value, Failure> {
        match timeout(PATIENCE, self.exchange(method, url, body)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Failed(format!(
                "{} did not answer within {} seconds",
                self.base,
                PATIENCE.as_secs()
            ))),
        }
    }

    async fn exchange(&self, method: Method, url: &Url, body: Option<&Value>) -> Result<Value, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("{url}: {error}"));
        let address = url.socket_addrs(|| Some(80)).map_err(|error| failed(&error))?;
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let stream = TcpStream::connect(&*address)
            .await
            .map_err(|error| Failure::Failed(format!("cannot connect to {host}: {error}")))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        // Ends with the exchange; what becomes of it shows in the answer.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(HOST, host)
            .header(ACCEPT, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(Full::new(body)).map_err(|error| failed(&error))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| failed(&error))?.to_bytes();
        let document: Option<Value> = serde_json::from_slice(&body).ok();
        if status.is_success() {
            return document.ok_or_else(|| failed(&"the answer is no JSON; is this the URL of a gateway?"));
        }
        Err(Failure::Failed(refused(status, document.as_ref())))
    }
}

/// What a problem document says, and what to do about it.
fn refused(status: hyper::StatusCode, problem: Option<&Value>) -> String {
    let part = |name: &str| problem.and_then(|problem| problem[name].as_str());
    let Some(detail) = part("detail").or_else(|| part("title")) else {
        return format!("the gateway answered with HTTP {status}; is this its URL?");
    };
    let code = problem.and_then(|problem| problem["code"].as_u64());
    let mut text = crate::output::plain(detail);
    if let Some(code) = code {
        text = format!("{text} (code {code})");
    }
    if status == hyper::StatusCode::UNAUTHORIZED {
        text = format!("{text}; give the API key with --api-key or TIDEGATE_API_KEY");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_what_was_wrong_and_how_to_get_in() {
        let problem = json!({"title": "unauthorized", "detail": "no key", "code": 101});
        let text = refused(hyper::StatusCode::UNAUTHORIZED, Some(&problem));
        assert!(text.starts_with("no key (code 101); give the API key"), "{text}");
        let text = refused(hyper::StatusCode::BAD_GATEWAY, None);
        assert!(text.contains("502"), "{text}");
    }
}
