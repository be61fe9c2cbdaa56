//! The control plane: each job ends once, and whoever stays connected is told all of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Link, Play, SETTLE, Said, post, text, until};

const CLIENTS: u64 = 3;
const ENDS: [&str; 3] = ["job:completed", "job:failed", "job:cancelled"];

pub(super) struct Ark {
    clients: Vec<Link>,
    /// Their ids, and since when they are there.
    jobs: Arc<Mutex<Vec<(String, Instant)>>>,
    pub(super) play: Play,
}

impl Ark {
    pub(super) fn start(port: u16) -> Self {
        let clients = (0..CLIENTS)
            .map(|number| {
                Link::start(
                    &format!("feed {number}"),
                    format!("ws://127.0.0.1:{port}/ark/ws"),
                    vec![],
                )
            })
            .collect();
        let jobs = Arc::new(Mutex::new(Vec::new()));
        let begun = Arc::clone(&jobs);
        let play = Play::start(async move {
            for number in 0_u64.. {
                let before = Instant::now();
                let body =
                    json!({"type": "SYNC_MODS", "queue": "ark", "key": format!("mods-{number}"), "data": {}});
                if let Ok(job) = post(port, "/api/jobs", &body).await {
                    begun.lock().push((text(&job, "id").to_owned(), before));
                }
                sleep(Duration::from_millis(700)).await;
            }
        });
        Self { clients, jobs, play }
    }

    pub(super) async fn check(&self) -> Result<String> {
        let jobs = self.jobs.lock().clone();
        ensure!(!jobs.is_empty(), "there was no job");
        let (followed, events) = until(SETTLE, "all jobs to have ended before who stayed", async || {
            let mut followed = 0;
            let mut events = 0;
            for client in &self.clients {
                let told = told(client)?;
                events += told.values().map(Vec::len).sum::<usize>();
                for (_, since) in &jobs {
                    followed += usize::from(client.was_up_since(*since));
                }
                // Feeds name jobs by a UUID of their own; who was there all the time was told of each.
                let stayed = jobs
                    .iter()
                    .filter(|(_, since)| client.was_up_since(*since))
                    .count();
                let whole = told.values().filter(|events| is_whole(events)).count();
                ensure!(
                    whole >= stayed,
                    "{}: {whole} of {stayed} jobs are whole",
                    client.name
                );
            }
            Ok(Some((followed, events)))
        })
        .await?;
        Ok(format!(
            "control plane: {} jobs, {events} events, no end told twice; {followed} times a client that stayed was told all",
            jobs.len()
        ))
    }
}

/// Of each job what a client was told, in order, over all its connections.
fn told(client: &Link) -> Result<BTreeMap<String, Vec<String>>> {
    let mut jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in client.log() {
        let Said::Heard(value) = event.said else { continue };
        let keys: Vec<&String> = value.as_object().context("an object")?.keys().collect();
        ensure!(keys.len() == 2, "{}: {value}", client.name);
        let name = text(&value, "event");
        if name.starts_with("job:") {
            let job = text(&value, "data.jobId").to_owned();
            jobs.entry(job).or_default().push(name.to_owned());
        }
    }
    for (job, events) in &jobs {
        let ends = events.iter().filter(|one| ENDS.contains(&one.as_str())).count();
        ensure!(ends <= 1, "{}: {job} ended {ends} times: {events:?}", client.name);
        let created = events.iter().filter(|one| *one == "job:created").count();
        ensure!(
            created <= 1,
            "{}: {job} was created {created} times: {events:?}",
            client.name
        );
    }
    Ok(jobs)
}

fn is_whole(events: &[String]) -> bool {
    let first = events.first().is_some_and(|one| one == "job:created");
    first && events.last().is_some_and(|one| ENDS.contains(&one.as_str()))
}
