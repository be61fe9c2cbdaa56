//! Numbered publishers of messages and keys: over HTTP, which try again until they are acknowledged (a
//! message has an idempotency key), and native ones, which never try twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::nodes::Doors;
use super::truth::Place;
use super::{told, topics};
use crate::client::{Client, Received};
use crate::stack::API_KEY;

/// For one answer. A stopped gateway gives none.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(150);

#[derive(Debug, Clone)]
pub struct Publisher {
    pub name: String,
    pub seed: u64,
    pub topics: Vec<String>,
    /// Groups of topics with little in them, besides.
    pub many: u64,
    /// Milliseconds between two publications, at most.
    pub pace: u64,
    pub doors: Doors,
    pub book: Arc<Book>,
    pub stop: CancellationToken,
}

impl Publisher {
    /// Publishes until it is stopped; messages with keys.
    pub async fn over_http(self) {
        let Ok(api) = Api::new(&self.doors) else { return };
        let mut random = SmallRng::seed_from_u64(self.seed);
        let mut number = 0;
        while !self.stop.is_cancelled() {
            number += 1;
            let mut work = self.work(number, &mut random);
            if work.action == "publish" {
                work.body["key"] = json!(format!("{}-{number}", self.name));
            }
            let path = format!("/api/{}", work.action);
            let asked = Instant::now();
            match self.stop.run_until_cancelled(api.insist(&path, &work.body)).await {
                Some(Ok(answer)) => self.note(&work, &answer, asked),
                Some(Err(error)) => self.book.wrong(&self.name, &work.topic, &format!("{error:#}")),
                None => return,
            }
            sleep(Duration::from_millis(random.random_range(1..self.pace))).await;
        }
    }

    /// Publishes over a WebSocket until it is stopped, now and then many at once.
    pub async fn native(self) {
        let mut random = SmallRng::seed_from_u64(self.seed);
        let mut number = 0;
        while !self.stop.is_cancelled() {
            let Ok(mut client) = Client::connect(&self.doors.url()).await else {
                sleep(AGAIN).await;
                continue;
            };
            while !self.stop.is_cancelled() {
                let burst = if random.random_ratio(1, 20) {
                    random.random_range(5..40)
                } else {
                    1
                };
                let works: Vec<Work> = (number + 1..=number + burst)
                    .map(|number| self.work(number, &mut random))
                    .collect();
                number += burst;
                if self.send(&mut client, &works).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(random.random_range(1..self.pace))).await;
            }
            sleep(AGAIN).await;
        }
    }

    async fn send(&self, client: &mut Client, works: &[Work]) -> Result<()> {
        let asked = Instant::now();
        for (id, work) in works.iter().enumerate() {
            let mut command = work.body.clone();
            command["action"] = json!(work.action);
            command["id"] = json!(id);
            client.send(&command).await?;
        }
        for _ in works {
            let Received::Frame(frame) = timeout(PATIENCE, client.next()).await?? else {
                anyhow::bail!("closed");
            };
            let Some(id) = frame["id"].as_u64() else {
                // A node that goes away says so.
                ensure!(frame["type"] == "goaway", "no id: {frame}");
                anyhow::bail!("told to go");
            };
            let work = works.get(usize::try_from(id)?).context("an id of ours")?;
            if frame["type"] == "published" {
                self.note(work, &frame, asked);
            } else {
                self.book.count("publications refused", 1);
                if frame["temporary"] != true {
                    self.book.wrong(&self.name, &work.topic, &frame.to_string());
                }
            }
        }
        Ok(())
    }

    /// The next publication: a message, or a change of a key.
    fn work(&self, number: u64, random: &mut SmallRng) -> Work {
        let topic = if self.many > 0 && random.random_ratio(1, 8) {
            topics::one_of_many(self.many, random)
        } else {
            self.topics[random.random_range(0..self.topics.len())].clone()
        };
        let mut value = json!({ "publisher": self.name, "number": number });
        let padding = topics::padding(&topic);
        if padding > 0 {
            value["padding"] = json!("x".repeat(padding));
        }
        if !topics::promise(&topic).maps {
            return Work {
                action: "publish",
                body: json!({ "topic": topic, "data": value }),
                data: Some(value),
                topic,
            };
        }
        let key = format!("key-{}", random.random_range(0..topics::keys(&topic)));
        if random.random_ratio(1, 6) {
            return Work {
                action: "remove",
                body: json!({ "topic": topic, "key": key }),
                // Where there was no such key the answer is the place of something else.
                data: None,
                topic,
            };
        }
        let mut body = json!({ "topic": topic, "key": key, "value": value });
        if random.random_ratio(1, 8) {
            body["ttl_ms"] = json!(random.random_range(1..4_000));
        }
        Work {
            action: "set",
            body,
            data: Some(told::set(&key, &value)),
            topic,
        }
    }

    fn note(&self, work: &Work, answer: &Value, asked: Instant) {
        match (place(&work.topic, answer), &work.data) {
            (Some(place), Some(data)) => self.book.acknowledged(&place, data, &self.name, asked),
            (Some(_), None) => self.book.count("removals acknowledged", 1),
            (None, _) => self
                .book
                .wrong(&self.name, &work.topic, &format!("no position: {answer}")),
        }
    }
}

/// One thing to be published.
#[derive(Debug)]
struct Work {
    topic: String,
    action: &'static str,
    body: Value,
    /// What subscribers are to be told, if that is known.
    data: Option<Value>,
}

/// Where the answer says that a publication is.
pub fn place(topic: &str, answer: &Value) -> Option<Place> {
    Some(Place {
        topic: topic.to_owned(),
        epoch: answer["epoch"].as_str()?.to_owned(),
        offset: answer["offset"].as_u64()?,
        tag: answer["tag"].as_str()?.to_owned(),
    })
}

/// The HTTP API, on whichever gateway answers.
#[derive(Debug)]
pub struct Api {
    http: reqwest::Client,
    doors: Doors,
}

/// How long `insist` insists: more than any fault lasts, and so long may service take to be back.
const LONGEST: Duration = Duration::from_secs(90);

impl Api {
    pub fn new(doors: &Doors) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self {
            http,
            doors: doors.clone(),
        })
    }

    /// Posts until it is accepted. An error that is not temporary is given back.
    pub async fn insist(&self, path: &str, body: &Value) -> Result<Value> {
        let started = Instant::now();
        loop {
            if let Ok(answer) = self.post(path, body).await {
                let (status, answer) = answer;
                if status < 300 {
                    return Ok(answer);
                }
                // nginx answers 502 and 504 for gateways that are gone or stopped.
                ensure!(
                    status >= 500 || answer["temporary"] == true,
                    "{path}: {status} {answer}"
                );
            }
            ensure!(
                started.elapsed() < LONGEST,
                "{path} was not accepted for {LONGEST:?}: {body}"
            );
            sleep(AGAIN).await;
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let url = format!("http://127.0.0.1:{}{path}", self.doors.any());
        let request = self.http.post(url).bearer_auth(API_KEY).json(body);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }
}
