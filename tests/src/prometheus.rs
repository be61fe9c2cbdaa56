//! A Prometheus that scrapes gateways and workers of a stack, with the alerts of the chart.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::Process;
use crate::stack::Stack;
use crate::{ports, wait};

/// Time for it to serve.
const START: Duration = Duration::from_secs(20);
/// What the dashboard's queries are asked about, where Grafana would choose.
const WINDOW: &str = "15s";

#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    url: String,
}

impl Prometheus {
    /// Scrapes every second.
    pub async fn start(stack: &Stack) -> Result<Self> {
        let port = ports::free()?;
        let targets = |ports: Vec<u16>| {
            let targets = ports.iter().map(|port| format!("'127.0.0.1:{port}'"));
            targets.collect::<Vec<_>>().join(", ")
        };
        let file = stack.folder().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{rules}']
scrape_configs:
  - job_name: tidegate-gateway
    static_configs: [{{targets: [{gateways}], labels: {{namespace: live}}}}]
  - job_name: tidegate-worker
    static_configs: [{{targets: [{workers}], labels: {{namespace: live}}}}]
",
            rules = chart("files/rules.yaml")?.display(),
            gateways = targets(stack.gateways.iter().map(|one| one.admin).collect()),
            workers = targets(stack.workers.iter().map(|one| one.admin).collect()),
        );
        fs::write(&file, text)?;
        let args = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", stack.folder().join("tsdb").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let process = Process::start("prometheus", stack.folder(), Path::new("prometheus"), &args)?;
        let mut prometheus = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        };
        wait::until(START, "Prometheus to be ready", async || {
            prometheus.process.ensure_running()?;
            let ready = reqwest::get(format!("{}/-/ready", prometheus.url)).await?;
            Ok(ready.status().is_success().then_some(()))
        })
        .await?;
        Ok(prometheus)
    }

    /// The samples that a query gives now.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let answer: Value = self.ask("query", &[("query", query)]).await?;
        let samples = answer["data"]["result"].as_array().cloned();
        samples.with_context(|| format!("{query}: {answer}"))
    }

    /// Names of all metrics that it has seen.
    pub async fn names(&self) -> Result<Vec<String>> {
        let answer = self.ask("label/__name__/values", &[]).await?;
        Ok(serde_json::from_value(answer["data"].clone())?)
    }

    async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let address = format!("{}/api/v1/{what}", self.url);
        let answer = reqwest::Client::new()
            .get(address)
            .query(parameters)
            .send()
            .await?;
        let answer: Value = answer.json().await?;
        ensure!(answer["status"] == "success", "{what} {parameters:?}: {answer}");
        Ok(answer)
    }
}

/// Every query of the chart's dashboard, with its variables filled in.
pub fn dashboard() -> Result<Vec<String>> {
    let text = fs::read_to_string(chart("files/dashboard.json")?)?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let queries = targets.filter_map(|target| target["expr"].as_str());
    Ok(queries
        .map(|query| {
            query
                .replace("$namespace", ".*")
                .replace("$__rate_interval", WINDOW)
        })
        .collect())
}

/// The names of our metrics in the chart's alerts and dashboard.
pub fn named() -> Result<Vec<String>> {
    let rules = fs::read_to_string(chart("files/rules.yaml")?)?;
    let mut names = Vec::new();
    for text in dashboard()?.into_iter().chain([rules]) {
        let mut rest = &*text;
        while let Some(at) = rest.find("tidegate_") {
            rest = &rest[at..];
            let end = rest
                .find(|c: char| !c.is_ascii_lowercase() && c != '_')
                .unwrap_or(rest.len());
            names.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn chart(file: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("tests/ lies in the workspace")?;
    Ok(root.join("helm/tidegate").join(file))
}
