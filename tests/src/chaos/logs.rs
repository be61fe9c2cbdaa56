//! Reads the logs and maps themselves, past the product, for the auditor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use tidegate_shared::testing::{RedisServer, Reply};
use tokio::time::sleep;

use super::book::Book;
use super::told;
use super::truth::Place;

/// Entries of a log that are looked at.
const ENTRIES: &str = "-120";
/// Between two questions to a server that reads its data.
const LOADING: Duration = Duration::from_millis(50);
const SOON: Duration = Duration::from_secs(30);
/// What a server of a Cluster answers if it does not have what is asked for, or not at the moment.
const ELSEWHERE: [&str; 4] = ["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"];

#[derive(Debug)]
pub struct Logs {
    pub topics: Vec<String>,
    pub book: Arc<Book>,
}

impl Logs {
    /// Reads the newest entries of every log that this server has.
    pub async fn look(&self, server: &RedisServer) -> Result<()> {
        for topic in &self.topics {
            let command = ["LRANGE", &key(topic, "log"), ENTRIES, "-1"];
            // In a Cluster others have the rest.
            if let Some(log) = ask_for_own(server, &command).await? {
                for entry in log.items() {
                    self.note(topic, &entry.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// The map of a state topic; `None` while keys of it are still to end.
    pub async fn map(&self, server: &RedisServer, topic: &str) -> Result<Option<Map<String, Value>>> {
        let ends = ask(server, &["ZCARD", &key(topic, "ends")]).await?;
        if ends.integer() != Some(0) {
            return Ok(None);
        }
        let list = ask(server, &["HGETALL", &key(topic, "state")]).await?;
        let mut map = Map::new();
        for pair in list.items().chunks_exact(2) {
            map.insert(pair[0].to_string(), serde_json::from_str(&pair[1].to_string())?);
        }
        Ok(Some(map))
    }

    fn note(&self, topic: &str, entry: &str) -> Result<()> {
        let (head, data) = entry.split_once('\n').context("an entry has two lines")?;
        let fields: Vec<&str> = head.split(' ').collect();
        let [_, kind, epoch, offset, tag, previous, _, _, name, ..] = fields[..] else {
            bail!("{topic}: what is {head:?}?");
        };
        let place = Place {
            topic: topic.to_owned(),
            epoch: epoch.to_owned(),
            offset: offset.parse()?,
            tag: tag.to_owned(),
        };
        let data = serde_json::from_str(data)?;
        let data = match kind {
            "s" => told::set(name, &data),
            "r" | "x" => told::removed(name),
            _ => data,
        };
        self.book.carries(&place, &data, "Redis' log");
        if place.offset > 1 {
            self.book.follows(&place, previous, "Redis' log");
        }
        Ok(())
    }
}

/// A part of a topic, as the product names it.
pub fn key(topic: &str, part: &str) -> String {
    format!("tg:{{t:{topic}}}:{part}")
}

/// One answer. A server that is still reading its data is waited for.
pub async fn ask(server: &RedisServer, command: &[&str]) -> Result<Reply> {
    let answer = ask_for_own(server, command).await?;
    answer.with_context(|| format!("{command:?}: it is another server that has this"))
}

/// The same; nothing if it is elsewhere in the Cluster.
async fn ask_for_own(server: &RedisServer, command: &[&str]) -> Result<Option<Reply>> {
    let deadline = Instant::now() + SOON;
    loop {
        let again = match server.command(command).await {
            Ok(Reply::Error(text)) if text.starts_with("LOADING") => text,
            Ok(Reply::Error(text)) if ELSEWHERE.iter().any(|one| text.starts_with(one)) => return Ok(None),
            Ok(Reply::Error(text)) => bail!("{command:?}: {text}"),
            Ok(reply) => return Ok(Some(reply)),
            // On a busy machine a server may take its time.
            Err(error) => error.to_string(),
        };
        ensure!(Instant::now() < deadline, "{command:?}: {again}");
        sleep(LOADING).await;
    }
}
