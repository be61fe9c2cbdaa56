//! Numbered publishers: over HTTP with idempotency keys, which try again until they are acknowledged, and
//! native ones, which never try twice.

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
    /// Milliseconds between two publications, at most.
    pub pace: u64,
    pub doors: Doors,
    pub book: Arc<Book>,
    pub stop: CancellationToken,
}

impl Publisher {
    /// Publishes with keys until it is stopped.
    pub async fn over_http(self) {
        let Ok(api) = Api::new(&self.doors) else { return };
        let mut random = SmallRng::seed_from_u64(self.seed);
        let mut number = 0;
        while !self.stop.is_cancelled() {
            number += 1;
            let topic = &self.topics[random.random_range(0..self.topics.len())];
            let data = json!({ "publisher": self.name, "number": number });
            let body = json!({ "topic": topic, "data": data, "key": format!("{}-{number}", self.name) });
            match self
                .stop
                .run_until_cancelled(api.insist("/api/publish", &body))
                .await
            {
                Some(Ok(answer)) => {
                    self.book.count("publications acknowledged", 1);
                    if let Some(place) = place(topic, &answer) {
                        self.book.carries(&place, &data, &self.name);
                    }
                }
                Some(Err(error)) => self.book.wrong(&self.name, topic, &format!("{error:#}")),
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
                let topic = self.topics[random.random_range(0..self.topics.len())].clone();
                let sent = number + 1..number + 1 + burst;
                number += burst;
                if self.publish(&mut client, &topic, sent).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(random.random_range(1..self.pace))).await;
            }
            sleep(AGAIN).await;
        }
    }

    async fn publish(&self, client: &mut Client, topic: &str, numbers: std::ops::Range<u64>) -> Result<()> {
        let data = |number: u64| json!({ "publisher": self.name, "number": number });
        for number in numbers.clone() {
            let command = json!({ "action": "publish", "id": number, "topic": topic, "data": data(number) });
            client.send(&command).await?;
        }
        for _ in numbers {
            let Received::Frame(frame) = timeout(PATIENCE, client.next()).await?? else {
                anyhow::bail!("closed");
            };
            let number = frame["id"].as_u64().context("an id")?;
            if let Some(place) = place(topic, &frame) {
                self.book.count("publications acknowledged", 1);
                self.book.carries(&place, &data(number), &self.name);
            } else {
                self.book.count("publications refused", 1);
                if frame["temporary"] != true {
                    self.book.wrong(&self.name, topic, &frame.to_string());
                }
            }
        }
        Ok(())
    }
}

fn place(topic: &str, answer: &Value) -> Option<Place> {
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
