//! Traces, as a receiver of OTLP gets them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::client::Client;
use system_tests::stack::API_KEY;
use system_tests::{Stack, stack, tree, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PUBLISHED: &str = "0af7651916cd43dd8448eb211c80319c";
const SUBMITTED: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CONNECTED: &str = "a3ce929d0e0e47364bf92f3577b34da6";
const COMMANDED: &str = "8448eb211c80319c0af7651916cd43dd";
const CALLER: &str = "b7ad6b7169203331";
const SOON: Duration = Duration::from_secs(30);

/// Takes what is posted to `/v1/traces`, as any receiver does.
#[derive(Clone, Default)]
struct Receiver {
    spans: Arc<Mutex<Vec<Span>>>,
}

#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    service: String,
    instance: String,
    nanos: (u128, u128),
}

impl Receiver {
    async fn start() -> Result<(Self, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let receiver = Self::default();
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.take(stream).await });
            }
        });
        Ok((receiver, port))
    }

    async fn take(&self, mut stream: TcpStream) -> Result<()> {
        let mut bytes = Vec::new();
        let (head, length) = loop {
            ensure!(stream.read_buf(&mut bytes).await? > 0, "the request ends early");
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8(bytes.drain(..end + 4).collect())?.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.context("a length")?.trim().parse()?;
            break (head, length);
        };
        while bytes.len() < length {
            ensure!(stream.read_buf(&mut bytes).await? > 0, "the body ends early");
        }
        ensure!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        ensure!(head.contains("content-type: application/json"), "{head}");
        self.keep(&serde_json::from_slice(&bytes)?)?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .await?;
        Ok(())
    }

    fn keep(&self, body: &Value) -> Result<()> {
        for resource in body["resourceSpans"].as_array().context("resources")? {
            let attributes = &resource["resource"]["attributes"];
            for scope in resource["scopeSpans"].as_array().context("scopes")? {
                for span in scope["spans"].as_array().context("spans")? {
                    let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                    let span = Span {
                        trace: text("traceId"),
                        id: text("spanId"),
                        parent: text("parentSpanId"),
                        name: text("name"),
                        service: attribute(attributes, "service.name"),
                        instance: attribute(attributes, "service.instance.id"),
                        nanos: (
                            text("startTimeUnixNano").parse()?,
                            text("endTimeUnixNano").parse()?,
                        ),
                    };
                    if let Ok(mut spans) = self.spans.lock() {
                        spans.push(span);
                    }
                }
            }
        }
        Ok(())
    }

    /// The spans of a trace, once each of these names is among them.
    async fn trace(&self, trace: &str, names: &[&str]) -> Result<Vec<Span>> {
        wait::until(SOON, &format!("the trace {trace} with {names:?}"), async || {
            let spans = self.spans.lock().map_err(|_| anyhow::anyhow!("a panic"))?;
            let of_trace: Vec<Span> = spans.iter().filter(|span| span.trace == trace).cloned().collect();
            let is_whole = names
                .iter()
                .all(|name| of_trace.iter().any(|span| span.name == *name));
            Ok(is_whole.then_some(of_trace))
        })
        .await
    }
}

fn attribute(attributes: &Value, key: &str) -> String {
    let all = attributes.as_array().into_iter().flatten();
    let found = all
        .filter(|one| one["key"] == key)
        .find_map(|one| one["value"]["stringValue"].as_str());
    found.unwrap_or_default().to_owned()
}

fn only<'a>(spans: &'a [Span], name: &str) -> Result<&'a Span> {
    spans
        .iter()
        .find(|span| span.name == name)
        .with_context(|| format!("no {name} in {spans:?}"))
}

async fn post(stack: &Stack, gateway: usize, path: &str, body: &Value, trace: &str) -> Result<Value> {
    let url = format!("http://127.0.0.1:{}{path}", stack.gateways[gateway].port);
    let request = reqwest::Client::new().post(url).bearer_auth(API_KEY).json(body);
    let answer = request.header("traceparent", traceparent(trace)).send().await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    Ok(answer.json().await?)
}

fn traceparent(trace: &str) -> String {
    format!("00-{trace}-{CALLER}-01")
}

/// With all that tell a receiver of their spans.
async fn traced(scenario: impl AsyncFnOnce(&mut Stack, &Receiver) -> Result<()>) -> Result<()> {
    let (receiver, port) = Receiver::start().await?;
    stack()
        .workers(1)
        .settings(&format!(
            "[telemetry]\notlp_endpoint = \"http://127.0.0.1:{port}\"\n"
        ))
        .run(async |stack| scenario(stack, &receiver).await)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_and_a_job_are_traced_from_the_request_to_the_socket_of_another_node() -> Result<()> {
    traced(async |stack, receiver| {
        let mut client = Client::connect(&stack.url_of(1)).await?;
        client.subscribe("news").await?;
        post(
            stack,
            0,
            "/api/publish",
            &json!({"topic": "news", "data": 1}),
            PUBLISHED,
        )
        .await?;
        let spans = receiver.trace(PUBLISHED, &["publish", "deliver"]).await?;
        let (publish, deliver) = (only(&spans, "publish")?, only(&spans, "deliver")?);
        ensure!(
            publish.parent == CALLER && deliver.parent == publish.id,
            "{spans:?}"
        );
        ensure!(
            publish.service == "tidegate-gateway" && deliver.service == publish.service,
            "{spans:?}"
        );
        ensure!(
            deliver.instance == client.node() && publish.instance != deliver.instance,
            "{spans:?}"
        );
        ensure!(spans.iter().all(|span| span.nanos.0 <= span.nanos.1), "{spans:?}");

        let world = stack.worlds().join("world");
        tree::grow(&world, 300, 20_000)?;
        let data = json!({"source": world, "destination": stack.worlds().join("world.tar.gz")});
        let body = json!({"type": "backup", "data": data, "delay_ms": 500});
        let record = post(stack, 0, "/api/jobs", &body, SUBMITTED).await?;
        let id = record["id"].as_str().context("an id")?;
        client.subscribe(&format!("job:{id}")).await?;
        let spans = receiver
            .trace(SUBMITTED, &["submit", "claim", "run", "progress", "deliver"])
            .await?;
        let (submit, run) = (only(&spans, "submit")?, only(&spans, "run")?);
        let claim = only(&spans, "claim")?;
        ensure!(submit.parent == CALLER && run.parent == submit.id, "{spans:?}");
        ensure!(
            claim.parent == submit.id && claim.nanos.1 <= run.nanos.1,
            "{spans:?}"
        );
        ensure!(run.service == "tidegate-worker", "{spans:?}");
        ensure!(only(&spans, "progress")?.parent == run.id, "{spans:?}");
        let deliver = only(&spans, "deliver")?;
        ensure!(
            deliver.parent == submit.id && deliver.instance == client.node(),
            "{spans:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_does_belongs_to_the_trace_of_its_handshake_or_to_that_of_the_command() -> Result<()> {
    traced(async |stack, receiver| {
        let mut hears = Client::connect(&stack.url_of(1)).await?;
        hears.subscribe("news").await?;
        let (url, connected) = (stack.url_of(0), traceparent(CONNECTED));
        let mut says = Client::connect_with(&url, "traceparent", &connected).await?;
        says.publish("news", json!(1)).await?;
        let own =
            json!({"action": "publish", "topic": "news", "data": 2, "traceparent": traceparent(COMMANDED)});
        says.call("published", own).await?;
        let rubbish = json!({"action": "publish", "topic": "news", "data": 3, "traceparent": [7]});
        says.call("published", rubbish).await?;
        let job = json!({"type": "backup", "data": {"source": "/nowhere"}, "max_attempts": 1});
        says.call("submitted", json!({"action": "submit", "job": job}))
            .await?;

        let spans = receiver.trace(COMMANDED, &["publish", "deliver"]).await?;
        let publish = only(&spans, "publish")?;
        ensure!(publish.parent == CALLER && spans.len() == 2, "{spans:?}");
        ensure!(only(&spans, "deliver")?.parent == publish.id, "{spans:?}");
        let spans = receiver
            .trace(CONNECTED, &["publish", "deliver", "submit", "claim", "run"])
            .await?;
        let published = spans.iter().filter(|span| span.name == "publish");
        ensure!(published.clone().all(|span| span.parent == CALLER), "{spans:?}");
        ensure!(published.count() == 2, "{spans:?}");
        let submit = only(&spans, "submit")?;
        ensure!(
            submit.parent == CALLER && only(&spans, "run")?.parent == submit.id,
            "{spans:?}"
        );
        Ok(())
    })
    .await
}
