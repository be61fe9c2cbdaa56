//! A measurement: many clients on two nodes, one of which is killed. All must resume on the other with
//! every offset accounted for; how long the last of them took is the figure.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate_shared::testing::RedisServer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::nodes::{Doors, Nodes};
use super::publisher::{Api, Publisher};
use super::subscriber::{Subscriber, Way};
use crate::wait;

const TOPICS: u64 = 20;
const CONNECT: Duration = Duration::from_secs(120);
const RESUME: Duration = Duration::from_secs(60);
/// Nothing may fall out of the log here: every single offset is to be recovered.
const SETTINGS: &str = "[[namespace]]\nname = \"long\"\nlog_size = 5000\n";

/// Runs it, writes `resume.json`, and gives what is in it.
pub async fn measure(clients: u64, folder: &Path) -> Result<Value> {
    let book = Arc::new(Book::default());
    let redis = RedisServer::start().await?;
    let mut nodes = Nodes::start(2, &redis.url(), SETTINGS, book.clone()).await?;
    let gateways = nodes.doors().gateways;
    // The clients choose the node themselves.
    let doors = Doors {
        nginx: gateways[0],
        gateways: gateways[1..].to_vec(),
    };
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let subscriber = Subscriber {
            name: format!("client-{number}"),
            seed: number,
            topics: vec![topic(number)],
            way: Way::Socket,
            restless: false,
            doors: doors.clone(),
            book: book.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(subscriber.run());
    }
    let all: Vec<(String, String)> = (0..clients)
        .map(|number| (format!("client-{number}"), topic(number)))
        .collect();
    wait::until(CONNECT, "all clients to be subscribed", async || {
        let subscribed = all.iter().all(|(who, topic)| book.position(who, topic).is_some());
        Ok(subscribed.then_some(()))
    })
    .await?;
    // Before the publishers connect, which do not resume.
    let victims = nodes.connections(1).await?;

    let publishing = CancellationToken::new();
    let mut publishers = JoinSet::new();
    for number in 0..2 {
        let publisher = Publisher {
            name: format!("native-{number}"),
            seed: number,
            topics: (0..TOPICS).map(topic).collect(),
            many: 0,
            pace: 40,
            doors: doors.clone(),
            book: book.clone(),
            stop: publishing.clone(),
        };
        publishers.spawn(publisher.native());
    }
    wait::until(RESUME, "publications", async || {
        Ok((book.sums().told.entries > clients).then_some(()))
    })
    .await?;

    nodes.kill_at_once(1);
    let killed = Instant::now();
    wait::until(RESUME, "all to resume", async || {
        let told = book.sums().told;
        Ok((told.recovered + told.unrecovered >= victims).then_some(()))
    })
    .await?;
    let took = killed.elapsed();
    publishing.cancel();
    while publishers.join_next().await.is_some() {}

    let api = Api::new(&doors)?;
    for topic in (0..TOPICS).map(topic) {
        let answer = api
            .insist("/api/publish", &json!({ "topic": topic, "data": "the last" }))
            .await?;
        let offset = answer["offset"].as_u64().context("an offset")?;
        for (who, _) in all.iter().filter(|(_, followed)| *followed == topic) {
            let what = format!("{who} to reach {offset} of {topic}");
            wait::until(RESUME, &what, async || {
                let held = book.position(who, &topic);
                Ok((held.is_some_and(|held| held.offset == offset) || book.has_violations()).then_some(()))
            })
            .await?;
        }
    }
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    let sums = book.sums();
    let report = json!({
        "clients": clients,
        "clients_of_the_killed_node": victims,
        "seconds_to_the_last_resume": took.as_secs_f64(),
        "recovered": sums.told.recovered,
        "not_recovered": sums.told.unrecovered,
        "lagged": sums.told.lagged,
        "resets": sums.told.resets,
        "deliveries": sums.told.entries,
        "violations": sums.violations,
    });
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("resume.json"), serde_json::to_string_pretty(&report)?)?;
    let told = &sums.told;
    ensure!(
        sums.violations.is_empty() && told.unrecovered + told.lagged + told.resets == 0,
        "{report:#}"
    );
    Ok(report)
}

fn topic(number: u64) -> String {
    format!("long:{}", number % TOPICS)
}
