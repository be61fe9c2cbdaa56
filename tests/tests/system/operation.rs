//! What an operator relies on: metrics that are there from the start, an orderly end.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use system_tests::client::{Client, Received};
use system_tests::wait::within;
use system_tests::{admin, stack};

const GATEWAY: &[&str] = &[
    "connections",
    "connections_limit",
    "draining",
    "connections_accepted_total",
    "connections_rejected_total",
    "connections_closed_total",
    "connection_duration_seconds",
    "handshake_duration_seconds",
    "subscriptions",
    "topics",
    "outbox_bytes",
    "commands_total",
    "messages_sent_total",
    "sent_bytes_total",
    "received_bytes_total",
    "messages_dropped_total",
    "delivery_latency_seconds",
    "recoveries_total",
    "gaps_total",
    "runtime_lag_seconds",
];
const WORKER: &[&str] = &[
    "jobs_finished_total",
    "job_duration_seconds",
    "job_wait_seconds",
    "job_attempts_total",
    "stale_writes_rejected_total",
    "leases_lost_total",
    "worker_busy",
    "queue_depth",
    "queue_oldest_seconds",
];
const BOTH: &[&str] = &[
    "redis_up",
    "redis_command_duration_seconds",
    "redis_errors_total",
    "build_info",
];

/// Whether a page has samples of a metric, which may be a histogram.
fn shown(page: &str, name: &str) -> bool {
    page.lines()
        .filter_map(|line| line.strip_prefix("tidegate_")?.strip_prefix(name))
        .any(|rest| {
            let rest = rest.strip_prefix("_count").unwrap_or(rest);
            rest.starts_with(['{', ' '])
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_there_from_the_start() -> Result<()> {
    stack()
        .gateways(1)
        .workers(1)
        .run(async |stack| {
            let cases = [
                (stack.gateways[0].admin, GATEWAY),
                (stack.workers[0].admin, WORKER),
            ];
            for (port, own) in cases {
                let page = admin::metrics(port).await?;
                let missing: Vec<_> = own
                    .iter()
                    .chain(BOTH)
                    .filter(|name| !shown(&page, name))
                    .collect();
                ensure!(missing.is_empty(), "port {port} lacks {missing:?}");
            }
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_told_to_stop_closes_with_1012_and_exits_with_0() -> Result<()> {
    stack()
        .run(async |stack| {
            let mut client = Client::connect(&stack.url_of(0)).await?;
            client.subscribe("news").await?;
            stack.gateways[0].process.signal("TERM")?;
            let mut said_goodbye = false;
            let code = within(Duration::from_secs(20), "the end of the connection", async {
                loop {
                    match client.next().await? {
                        Received::Frame(frame) => said_goodbye |= frame["type"] == "goaway",
                        Received::Closed(Some((code, _))) => return Ok(code),
                        Received::Closed(None) => bail!("the connection broke"),
                    }
                }
            })
            .await?;
            ensure!(code == 1012, "closed with {code}");
            ensure!(said_goodbye, "no goaway before the close frame");
            let status = stack.gateways[0].process.wait(Duration::from_secs(20)).await?;
            ensure!(status.success(), "{status}");
            // nginx passes on to the other one.
            ensure!(Client::connect(&stack.url()).await?.node() == stack.gateways[1].node);
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named_and_ends_with_1() -> Result<()> {
    stack()
        .gateways(1)
        .run(async |stack| {
            let taken = format!("127.0.0.1:{}", stack.gateways[0].port);
            let output =
                tokio::process::Command::new(system_tests::process::Process::binary("tidegate-gateway")?)
                    .args(["--listen", &taken, "--admin-listen", "127.0.0.1:0", "--config"])
                    .arg(stack.configuration())
                    .kill_on_drop(true)
                    .output();
            let output = within(Duration::from_secs(10), "the gateway to give up", async {
                Ok(output.await?)
            })
            .await?;
            let text = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(1), "{} {text}", output.status);
            ensure!(text.contains(&taken) && text.contains("--listen"), "{text}");
            Ok(())
        })
        .await
}
