//! The control plane on two nodes and two workers, of which one dies.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use system_tests::stack::post;
use system_tests::wait::until;
use system_tests::wire::{Said, Wire};
use system_tests::{Stack, stack};

const SETTINGS: &str = r#"
[[endpoint]]
path = "/ark/ws"
dialect = "feed"
anonymous = true
[[endpoint]]
path = "/ark/api/{*rest}"
dialect = "http"
app = "ark"
anonymous = true
[[namespace]]
name = "ark"
slow = "catch-up"
[[namespace]]
name = "ark-state"
kind = "state"
"#;

const SOON: Duration = Duration::from_secs(30);

/// A client on each node, who are to hear the same.
struct Clients(Vec<Wire>);

impl Clients {
    async fn connect(stack: &Stack) -> Result<Self> {
        let mut clients = Vec::new();
        for gateway in &stack.gateways {
            let client = Wire::connect(gateway.port, "/ark/ws", false).await?;
            clients.push(client.map_err(|status| anyhow::anyhow!("refused with {status}"))?);
        }
        Ok(Self(clients))
    }

    /// Everybody's events up to the one of this name, names and data.
    async fn until(&mut self, last: &str) -> Result<Vec<Vec<(String, Value)>>> {
        let mut all = Vec::new();
        for client in &mut self.0 {
            let mut heard = Vec::new();
            loop {
                let Said::Text(text) = client.next().await? else {
                    bail!("closed after {heard:?}");
                };
                let said: Value = serde_json::from_str(&text)?;
                let event = said["event"].as_str().context("an event")?.to_owned();
                let is_last = event == last;
                heard.push((event, said["data"].clone()));
                if is_last {
                    break;
                }
            }
            all.push(heard);
        }
        Ok(all)
    }

    /// Everybody hears this next.
    async fn next(&mut self, event: &str) -> Result<()> {
        for heard in self.until(event).await? {
            ensure!(heard.len() == 1, "before {event}: {heard:?}");
        }
        Ok(())
    }
}

/// Asks until somebody serves it.
async fn ask(stack: &Stack, path: &str, body: &Value) -> Result<Value> {
    let port = stack.gateways[0].port;
    until(SOON, "an answer", async || {
        let (status, answer) = post(port, path, body).await?;
        Ok((status < 300).then_some(answer))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_falls_silent_is_told_once_to_everybody_although_a_worker_dies() -> Result<()> {
    stack()
        .workers(2)
        .settings(SETTINGS)
        .run(async |stack| {
            let mut clients = Clients::connect(stack).await?;
            let agent = json!({ "agentId": "a", "hostname": "host", "heartbeatIntervalSeconds": 1 });
            ask(stack, "/ark/api/agents/register", &agent).await?;
            clients.next("agent:registered").await?;
            stack.workers[0].process.kill();
            clients.next("agent:offline").await?;
            // Had the first silence been told twice, that would be heard before this one.
            let beat = json!({ "method": "ark.heartbeat", "data": { "agentId": "a" } });
            ask(stack, "/api/call", &beat).await?;
            let heard = clients.until("agent:offline").await?;
            for heard in heard {
                let beats = heard
                    .iter()
                    .filter(|(event, _)| event == "agent:heartbeat")
                    .count();
                ensure!(heard.len() == beats + 1 && beats >= 1, "{heard:?}");
            }
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_told_to_everybody_with_its_progress_and_what_its_instance_does() -> Result<()> {
    stack()
        .workers(2)
        .settings(SETTINGS)
        .run(async |stack| {
            let mut clients = Clients::connect(stack).await?;
            let new = json!({ "name": "Island", "gameType": "ASA" });
            let instance = ask(stack, "/ark/api/instances", &new).await?;
            clients.next("instance:created").await?;
            let new = json!({ "jobType": "START_INSTANCE", "instanceId": instance["instanceId"] });
            let job = ask(stack, "/ark/api/jobs", &new).await?;
            for heard in clients.until("job:completed").await? {
                let of = |name: &str| -> Vec<&Value> {
                    let found = heard.iter().filter(|(event, _)| event == name);
                    found.map(|(_, data)| data).collect()
                };
                ensure!(of("job:created").len() == 1, "{heard:?}");
                ensure!(
                    of("job:created")[0]["instanceId"] == instance["instanceId"],
                    "{heard:?}"
                );
                let progress = of("job:progress");
                ensure!(
                    progress
                        .iter()
                        .all(|one| one["jobRunId"] == job["jobRunId"] && one["status"] == "RUNNING"),
                    "{heard:?}"
                );
                let percents: Vec<f64> = progress
                    .iter()
                    .filter_map(|one| one["percent"].as_f64())
                    .collect();
                ensure!(percents.is_sorted() && percents.len() > 2, "{percents:?}");
            }
            let id = instance["instanceId"].as_str().context("an id")?;
            let url = format!(
                "http://127.0.0.1:{}/ark/api/instances/{id}",
                stack.gateways[1].port
            );
            let found: Value = serde_json::from_str(&reqwest::get(url).await?.text().await?)?;
            ensure!(found["status"] == "RUNNING", "{found}");
            Ok(())
        })
        .await
}
