//! What a Prometheus sees of two nodes and a worker: enough for every alert and every panel of the chart.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use system_tests::client::Client;
use system_tests::prometheus::{Prometheus, dashboard, named};
use system_tests::{stack, wait};

const PATIENCE: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_finds_every_metric_of_the_alerts_and_data_for_every_panel() -> Result<()> {
    stack()
        .workers(1)
        .run(async |stack| {
            let prometheus = Prometheus::start(stack).await?;
            wait::until(PATIENCE, "all targets to be scraped", async || {
                Ok((prometheus.query("up == 1").await?.len() == 3).then_some(()))
            })
            .await?;
            let mut client = Client::connect(&stack.url_of(1)).await?;
            client.subscribe("news").await?;
            let sent = async || {
                let body = json!({"topic": "news", "data": 1});
                let (status, answer) = stack.post("/api/publish", &body).await?;
                ensure!(status == 200, "{status}: {answer}");
                Ok(())
            };
            let moving = "sum(rate(tidegate_messages_sent_total[15s])) > 0";
            wait::until(PATIENCE, "messages to be seen in the metrics", async || {
                sent().await?;
                Ok((!prometheus.query(moving).await?.is_empty()).then_some(()))
            })
            .await?;
            let names = prometheus.names().await?;
            let missing: Vec<String> = named()?
                .into_iter()
                .filter(|name| !names.contains(name))
                .collect();
            ensure!(missing.is_empty(), "nobody tells these metrics: {missing:?}");
            let queries = dashboard()?;
            ensure!(queries.len() > 20, "only {} queries", queries.len());
            for query in queries {
                wait::until(PATIENCE, &format!("data for `{query}`"), async || {
                    Ok((!prometheus.query(&query).await?.is_empty()).then_some(()))
                })
                .await?;
            }
            Ok(())
        })
        .await
}
