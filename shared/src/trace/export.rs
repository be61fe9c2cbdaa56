//! Telling spans to a receiver: OTLP over HTTP, as JSON, many in one request.
//!
//! A receiver that is away costs spans, never anything else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Request;
use prometheus::IntCounterVec;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::span::{Ended, Kind};
use crate::web::Web;

/// Most spans of one request.
const TOGETHER: usize = 512;
/// How long the first of them waits for others.
const GATHER: Duration = Duration::from_millis(500);
/// For the last ones, when the process ends.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Receiver {
    url: String,
    resource: Value,
    web: Web,
    spans: IntCounterVec,
}

impl Receiver {
    pub(super) fn new(endpoint: &str, service: &'static str, instance: &str, spans: IntCounterVec) -> Self {
        let attributes = [
            attribute("service.name", service),
            attribute("service.namespace", "tidegate"),
            attribute("service.instance.id", instance),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
        ];
        Self {
            url: format!("{}/v1/traces", endpoint.trim_end_matches('/')),
            resource: json!({ "attributes": attributes }),
            web: Web::default(),
            spans,
        }
    }

    pub(super) async fn tell(self, mut waiting: mpsc::Receiver<Ended>, end: CancellationToken) {
        let mut ended = Vec::with_capacity(TOGETHER);
        let mut fails = false;
        loop {
            let received = end
                .run_until_cancelled(waiting.recv_many(&mut ended, TOGETHER))
                .await;
            match received {
                // Everybody who could make one is gone.
                Some(0) => return,
                Some(_) => {
                    let others = async {
                        tokio::time::sleep(GATHER).await;
                        while ended.len() < TOGETHER
                            && let Ok(one) = waiting.try_recv()
                        {
                            ended.push(one);
                        }
                    };
                    end.run_until_cancelled(others).await;
                    fails = self.send(&mut ended, fails).await;
                }
                None => {
                    waiting.close();
                    while let Ok(one) = waiting.try_recv() {
                        ended.push(one);
                    }
                    let last = self.send(&mut ended, fails);
                    let _ = tokio::time::timeout(FAREWELL, last).await;
                    return;
                }
            }
        }
    }

    /// Whether the receiver did not take them.
    async fn send(&self, ended: &mut Vec<Ended>, failed_before: bool) -> bool {
        let count = ended.len() as u64;
        let spans: Vec<Value> = ended.drain(..).map(|one| span(&one)).collect();
        if count == 0 {
            return failed_before;
        }
        let body = json!({"resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{"scope": {"name": "tidegate"}, "spans": spans}],
        }]});
        let why = match self.ask(&body).await {
            Ok(status) if status.is_success() => {
                self.spans.with_label_values(&["told"]).inc_by(count);
                return false;
            }
            Ok(status) => format!("it answers {status}"),
            Err(why) => why,
        };
        self.spans.with_label_values(&["failed"]).inc_by(count);
        if !failed_before {
            tracing::warn!(
                "traces cannot be told to {} (telemetry.otlp_endpoint): {why}",
                self.url
            );
        }
        true
    }

    async fn ask(&self, body: &Value) -> Result<hyper::StatusCode, String> {
        let request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header("content-length", body.to_string().len())
            .body(Bytes::from(body.to_string()))
            .map_err(|error| error.to_string())?;
        let answer = self.web.ask(request).await;
        answer
            .map(|(status, _)| status)
            .map_err(|error| error.to_string())
    }
}

fn span(ended: &Ended) -> Value {
    // As opentelemetry.proto.trace.v1 numbers them.
    let kind = match ended.kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
        Kind::Consumer => 5,
    };
    let attributes: Vec<Value> = ended
        .attributes
        .iter()
        .map(|(key, value)| attribute(key, value))
        .collect();
    let status = match &ended.failure {
        None => json!({}),
        Some(why) => json!({"code": 2, "message": why}),
    };
    json!({
        "traceId": ended.context.trace.to_string(),
        "spanId": ended.context.span.to_string(),
        "parentSpanId": ended.parent.map(|parent| parent.span.to_string()).unwrap_or_default(),
        "name": ended.name,
        "kind": kind,
        "startTimeUnixNano": nanos(ended.began),
        "endTimeUnixNano": nanos(ended.until),
        "attributes": attributes,
        "status": status,
    })
}

fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// 64-bit numbers are texts in JSON of protobuf.
fn nanos(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
        .to_string()
}
