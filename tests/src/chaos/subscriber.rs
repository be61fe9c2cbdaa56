//! A client that follows topics through everything, as a good client library would: it sends its position
//! when it comes back, gives up connections on which nothing comes, and now and then leaves by itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::nodes::Doors;
use super::told::told;
use crate::client::{Client, Received};

/// Between two pings of the client.
const PING: Duration = Duration::from_secs(2);
/// A connection on which nothing comes for so long is given up.
pub(super) const DEAD: Duration = Duration::from_secs(9);
pub(super) const AGAIN: Duration = Duration::from_millis(200);
/// What a job's follower waits for after the terminal entry.
pub(super) const AFTERWARDS: Duration = Duration::from_millis(1500);

#[derive(Debug, Clone)]
pub struct Subscriber {
    pub name: String,
    pub seed: u64,
    pub topics: Vec<String>,
    pub way: Way,
    /// Leaves, naps and comes back by itself.
    pub restless: bool,
    pub doors: Doors,
    pub book: Arc<Book>,
    pub stop: CancellationToken,
}

/// How a subscriber is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Socket,
    EventStream,
}

/// Why a connection was left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    Broken,
    /// A job's topic has nothing more to say.
    Over,
}

impl Subscriber {
    /// Follows until it is stopped, or until its job is over.
    pub async fn run(self) {
        let stop = self.stop.clone();
        match self.way {
            Way::Socket => stop.run_until_cancelled(self.follow()).await,
            Way::EventStream => stop.run_until_cancelled(self.follow_stream()).await,
        };
    }

    async fn follow(self) {
        let mut random = SmallRng::seed_from_u64(self.seed);
        let born = Instant::now();
        loop {
            let url = self.doors.url();
            let client = if self.restless {
                Client::connect_narrowly(&url).await
            } else {
                Client::connect(&url).await
            };
            if let Ok(client) = client {
                self.book.count("connections", 1);
                let node = client.node().to_owned();
                for topic in &self.topics {
                    self.book.note(&self.name, topic, format!("connected to {node}"));
                }
                match self.listen(client, &mut random, born).await {
                    Ok(Left::Over) => return,
                    Ok(Left::Broken) => {}
                    Err(error) => {
                        for topic in &self.topics {
                            self.book.note(&self.name, topic, format!("left: {error:#}"));
                        }
                    }
                }
            }
            sleep(AGAIN).await;
        }
    }

    async fn listen(&self, mut client: Client, random: &mut SmallRng, born: Instant) -> Result<Left> {
        let mut pending: HashSet<usize> = HashSet::new();
        for index in 0..self.topics.len() {
            self.subscribe(&mut client, index).await?;
            pending.insert(index);
        }
        let mut heard = Instant::now();
        let mut pinged = Instant::now();
        let mut over: Option<Instant> = None;
        loop {
            if over.is_some_and(|over| over.elapsed() > AFTERWARDS) {
                return Ok(Left::Over);
            }
            if heard.elapsed() > DEAD {
                bail!("nothing came for {DEAD:?}");
            }
            if pinged.elapsed() > PING {
                pinged = Instant::now();
                timeout(AGAIN * 5, client.send(&json!({ "action": "ping", "id": "ping" }))).await??;
            }
            let look = if over.is_some() { AGAIN } else { PING };
            let Ok(received) = timeout(look, client.next()).await else {
                continue;
            };
            let Received::Frame(frame) = received? else {
                return Ok(Left::Broken);
            };
            heard = Instant::now();
            let id = frame["id"]
                .as_u64()
                .and_then(|id| usize::try_from(id).ok())
                .filter(|id| *id < self.topics.len());
            match (frame["type"].as_str(), id) {
                (Some("error"), id) => {
                    if !self.refused(&frame, born) {
                        return Ok(Left::Over);
                    }
                    if let Some(index) = id {
                        sleep(AGAIN).await;
                        self.subscribe(&mut client, index).await?;
                    } else {
                        bail!("{frame}");
                    }
                }
                (Some("subscribed"), Some(index)) => {
                    pending.remove(&index);
                    self.tell(&frame);
                }
                (Some("unsubscribed"), Some(index)) => {
                    if random.random_bool(0.3) {
                        sleep(Duration::from_millis(random.random_range(0..3_000))).await;
                    }
                    self.subscribe(&mut client, index).await?;
                    pending.insert(index);
                }
                (Some("pong"), _) => {}
                _ => self.tell(&frame),
            }
            if self.topics.len() == 1 && over.is_none() && self.book.is_over(&self.name, &self.topics[0]) {
                over = Some(Instant::now());
            } else if over.is_some() && !self.book.is_over(&self.name, &self.topics[0]) {
                over = None;
            }
            if self.restless {
                match random.random_range(0..1_500) {
                    0 => bail!("leaves by itself"),
                    1 => sleep(Duration::from_millis(random.random_range(0..7_000))).await,
                    2 if pending.is_empty() => {
                        let index = random.random_range(0..self.topics.len());
                        let command =
                            json!({ "action": "unsubscribe", "id": index, "topic": self.topics[index] });
                        client.send(&command).await?;
                    }
                    _ => {}
                }
            }
        }
    }

    async fn subscribe(&self, client: &mut Client, index: usize) -> Result<()> {
        let topic = &self.topics[index];
        let mut command = json!({ "action": "subscribe", "id": index, "topic": topic });
        if let Some(held) = self.book.position(&self.name, topic) {
            command["since"] = json!({ "epoch": held.epoch, "offset": held.offset });
            if let Some(tag) = held.tag {
                command["since"]["tag"] = json!(tag);
            }
        }
        client.send(&command).await
    }

    /// `false`: there is nothing to follow any more.
    pub(super) fn refused(&self, frame: &Value, born: Instant) -> bool {
        let topic = &self.topics[0];
        let is_job = topic.starts_with("job:");
        self.book.note(&self.name, topic, frame.to_string());
        match frame["code"].as_u64() {
            Some(104 | 111) if is_job => {
                if self.book.data_lost_since(born) {
                    self.book.count("jobs lost with Redis' data", 1);
                } else {
                    self.book.wrong(
                        &self.name,
                        topic,
                        "the job is gone, and Redis has lost nothing since",
                    );
                }
                false
            }
            _ => {
                if frame["temporary"] != true {
                    self.book.wrong(&self.name, topic, &frame.to_string());
                }
                true
            }
        }
    }

    pub(super) fn tell(&self, frame: &Value) {
        let Some(topic) = frame["topic"].as_str() else {
            return;
        };
        match told(frame) {
            Some(told) => self.book.told(&self.name, topic, &told),
            None => self
                .book
                .wrong(&self.name, topic, &format!("not understood: {frame}")),
        }
    }
}
