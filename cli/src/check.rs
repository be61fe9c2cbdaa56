//! `tidegate check`: one line for each thing tested, with what to do where it fails. Tests all it can.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use prometheus::Registry;
use serde_json::value::RawValue;
use tidegate_shared::broker::Link;
use tidegate_shared::config::{Config, ConfigErrors, Overrides};
use tidegate_shared::redis::{self, RedisMetrics};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::args::Check;
use crate::client::{Action, Command, ConnectError, Connection, Frame, Lost, Target};
use crate::failure::Failure;
use crate::input;
use crate::output::{self, plain};

/// For each answer of the gateway, and for Redis.
const WAIT: Duration = Duration::from_secs(10);

pub(crate) async fn run(
    arguments: Check,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<ExitCode, Failure> {
    let mut report = Report { code: 0 };
    let set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    let wants_config = arguments.config.is_some() || set("TIDEGATE_CONFIG");
    let wants_redis = arguments.redis_url.is_some() || set("TIDEGATE_REDIS_URL");
    if wants_config || wants_redis {
        let flags = Overrides {
            redis_url: arguments.redis_url,
            ..Overrides::default()
        };
        match Config::load(arguments.config.as_deref(), environment, flags) {
            Ok(config) => {
                if wants_config {
                    report.config(&config)?;
                }
                report.step("redis", redis(config).await)?;
            }
            Err(errors) => report.bad_config(&errors)?,
        }
    }
    report.gateway(&arguments.gateway.target()?).await?;
    Ok(ExitCode::from(report.code))
}

struct Report {
    code: u8,
}

impl Report {
    fn step(&mut self, name: &str, result: Result<String, String>) -> Result<bool, Failure> {
        let fine = result.is_ok();
        let (word, text) = match result {
            Ok(text) => ("ok", text),
            Err(text) => {
                self.code = self.code.max(1);
                ("FAILED", text)
            }
        };
        output::line(&format!("{word:<7} {name:<14} {}", plain(&text)))?;
        Ok(fine)
    }

    fn config(&mut self, config: &Config) -> Result<(), Failure> {
        match config.check_gateway() {
            Ok(()) => self
                .step("configuration", Ok("gateway and worker can start with it".into()))
                .map(drop),
            Err(errors) => {
                self.step("configuration", Ok("a worker can start with it".into()))?;
                self.bad_config(&errors)
            }
        }
    }

    fn bad_config(&mut self, errors: &ConfigErrors) -> Result<(), Failure> {
        for mistake in errors.mistakes() {
            self.step("configuration", Err(mistake.to_string()))?;
        }
        self.code = ConfigErrors::EXIT_CODE;
        Ok(())
    }

    async fn gateway(&mut self, url: &Target) -> Result<(), Failure> {
        let start = Instant::now();
        let mut connection = match Connection::open(url).await {
            Ok(connection) => connection,
            Err(ConnectError::Retry(reason) | ConnectError::Final(reason)) => {
                return self.step("handshake", Err(reason)).map(drop);
            }
        };
        let text = {
            let Frame { node, version, .. } = &connection.welcome;
            format!(
                "{url} in {}: node {}, version {}",
                millis(start),
                node.as_deref().unwrap_or("without a name"),
                version.as_deref().unwrap_or("unknown")
            )
        };
        self.step("handshake", Ok(text))?;
        let result = ping(&mut connection).await;
        if self.step("ping", result)? {
            let result = round_trip(&mut connection).await;
            self.step("round trip", result)?;
        }
        connection.close().await;
        Ok(())
    }
}

async fn ping(connection: &mut Connection) -> Result<String, String> {
    let start = Instant::now();
    exchange(connection, 1, Action::Ping).await?;
    Ok(format!("answered in {}", millis(start)))
}

/// Subscribes to a topic that nobody else has, publishes to it, and waits for the publication.
async fn round_trip(connection: &mut Connection) -> Result<String, String> {
    let topic = format!("tidegate-check-{:016x}", rand::random::<u64>());
    let subscribe = Action::Subscribe {
        topic: &topic,
        since: None,
    };
    exchange(connection, 2, subscribe).await?;
    let start = Instant::now();
    let publish = Command {
        id: 3,
        action: Action::Publish {
            topic: &topic,
            data: RawValue::NULL,
            key: &input::new_key(),
        },
    };
    send(connection, &publish).await?;
    // The publication and the answer to `publish` may come in either order.
    let is_it = |frame: &Frame| frame.kind == "message" && frame.topic.as_deref() == Some(&*topic);
    until(connection, |frame| is_it(frame) || frame.kind == "error").await?;
    Ok(format!("a publication came back in {}", millis(start)))
}

async fn exchange(connection: &mut Connection, id: u64, action: Action<'_>) -> Result<Frame, String> {
    send(connection, &Command { id, action }).await?;
    until(connection, |frame| frame.id == Some(id)).await
}

async fn send(connection: &mut Connection, command: &Command<'_>) -> Result<(), String> {
    let text = command.text().map_err(|error| error.to_string())?;
    connection.send(text).await.map_err(|lost| lost.to_string())
}

async fn until(connection: &mut Connection, is_it: impl Fn(&Frame) -> bool) -> Result<Frame, String> {
    let waiting = async {
        loop {
            let frame = connection.next().await?;
            if is_it(&frame) {
                return Ok::<Frame, Lost>(frame);
            }
        }
    };
    match timeout(WAIT, waiting).await {
        Ok(Ok(frame)) if frame.kind == "error" => Err(frame.refusal().to_string()),
        Ok(result) => result.map_err(|lost| lost.to_string()),
        Err(_) => Err(format!("no answer came within {} seconds", WAIT.as_secs())),
    }
}

async fn redis(config: Config) -> Result<String, String> {
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let metrics = RedisMetrics::register(&Registry::new()).map_err(|error| error.to_string())?;
    let backend =
        redis::open(&config.redis, &config.namespaces, &metrics, stop).map_err(|error| error.to_string())?;
    let mut link = backend.broker.link();
    let start = Instant::now();
    let settled = link.wait_for(|link| matches!(link, Link::Up | Link::Refused(_)));
    match timeout(WAIT, settled).await {
        Ok(Ok(link)) => match &*link {
            Link::Refused(why) => Err(why.clone()),
            _ => Ok(format!("reached and fit for use in {}", millis(start))),
        },
        Ok(Err(_)) => Err("the connection ended".into()),
        Err(_) => Err(format!(
            "not reached within {} seconds; is it running, and is its address right?",
            WAIT.as_secs()
        )),
    }
}

fn millis(start: Instant) -> String {
    format!("{:.1} ms", start.elapsed().as_secs_f64() * 1_000.0)
}
