//! Redis is away for a while: connections stay, publishing fails soon and says why, and afterwards all
//! subscribers get everything, without coming again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidegate_shared::testing::RedisServer;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::book::Book;
use super::nodes::Nodes;
use crate::client::Client;
use crate::follower::Follower;
use crate::{stack, wait};

const LAST: &str = "the last";
/// Within this a publish is to fail.
const SECOND: Duration = Duration::from_secs(1);
/// Within this everybody is to have everything once Redis is back.
const BACK: Duration = Duration::from_secs(45);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// SIGSTOP: connections stay, nothing answers.
    Paused,
    /// SIGKILL: it comes back with its append-only file.
    Killed,
}

/// How long the slowest refusal took, and how long after Redis' return the last subscriber was level.
#[derive(Debug)]
pub struct Figures {
    pub slowest_refusal: Duration,
    pub level_after: Duration,
}

pub async fn outage(absence: Absence, length: Duration) -> Result<Figures> {
    let mut redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await?;
    let nodes = Nodes::start(2, &redis.url(), "", Arc::new(Book::default())).await?;
    let outcome = endure(&nodes, &mut redis, absence, length).await;
    outcome.with_context(|| nodes.logs())
}

async fn endure(
    nodes: &Nodes,
    redis: &mut RedisServer,
    absence: Absence,
    length: Duration,
) -> Result<Figures> {
    let urls: Vec<String> = nodes
        .doors()
        .gateways
        .iter()
        .map(|port| format!("ws://127.0.0.1:{port}/ws"))
        .collect();
    // They read all the time, as clients do: who answers no ping is sent away.
    let mut followers = JoinSet::new();
    for url in urls.iter().cycle().take(6) {
        let mut follower = Follower::start(url, "news").await?;
        followers.spawn(async move {
            let entry = follower.until(|entry| entry["data"] == LAST).await?;
            ensure!(follower.reconnects == 0, "a connection did not stay");
            Ok(entry)
        });
    }
    let mut client = Client::connect(&urls[0]).await?;
    for number in 0..5 {
        client.publish("news", json!({ "before": number })).await?;
    }
    match absence {
        Absence::Paused => redis.pause()?,
        Absence::Killed => redis.kill(),
    }
    let away = Instant::now();
    let mut slowest_refusal = Duration::ZERO;
    let port = nodes.doors().gateways[1];
    while away.elapsed() < length {
        let asked = Instant::now();
        let reply = client
            .ask(json!({ "action": "publish", "topic": "news", "data": "away" }))
            .await?;
        let took = asked.elapsed();
        ensure!(reply["code"] == 108 && reply["temporary"] == true, "{reply}");
        let asked = Instant::now();
        let (status, problem) =
            stack::post(port, "/api/publish", &json!({ "topic": "news", "data": "away" })).await?;
        ensure!(status == 503 && problem["code"] == 108, "{status} {problem}");
        let took = took.max(asked.elapsed());
        ensure!(
            took <= SECOND,
            "a publish failed only after {took:?}, {:?} after Redis went",
            away.elapsed()
        );
        slowest_refusal = slowest_refusal.max(took);
        sleep(Duration::from_millis(200)).await;
    }
    match absence {
        Absence::Paused => redis.resume()?,
        Absence::Killed => redis.restart().await?,
    }
    let back = Instant::now();
    wait::until(BACK, "publishing to work again", async || {
        let reply = client
            .ask(json!({ "action": "publish", "topic": "news", "data": "after" }))
            .await?;
        Ok((reply["type"] == "published").then_some(()))
    })
    .await?;
    let last = client.publish("news", json!(LAST)).await?;
    let all = async {
        while let Some(entry) = followers.join_next().await {
            let entry = entry??;
            ensure!(entry["offset"] == last["offset"], "{entry}, and {last}");
        }
        Ok(())
    };
    wait::within(BACK, "all subscribers to be level", all).await?;
    Ok(Figures {
        slowest_refusal,
        level_after: back.elapsed(),
    })
}
