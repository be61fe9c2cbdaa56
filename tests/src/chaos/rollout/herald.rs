//! A publisher over HTTP through nginx that never tries twice: who is refused once, says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::Rng;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::book::Book;
use super::super::nodes::Doors;
use super::super::publisher;
use super::super::truth::Place;
use super::register::Register;
use crate::stack;

#[derive(Debug)]
pub(super) struct Herald {
    pub(super) name: String,
    pub(super) topics: Vec<String>,
    pub(super) pause: Duration,
    pub(super) doors: Doors,
    pub(super) book: Arc<Book>,
    pub(super) register: Arc<Register>,
}

impl Herald {
    /// Publishes until it is stopped, and finishes what it has begun.
    pub(super) async fn publish(self, stop: CancellationToken) {
        let mut number = 0;
        while !stop.is_cancelled() {
            number += 1;
            let topic = &self.topics[rand::rng().random_range(0..self.topics.len())];
            self.tell(topic, number).await;
            sleep(self.pause).await;
        }
    }

    /// Where it is, if it was accepted.
    pub(super) async fn tell(&self, topic: &str, number: u64) -> Option<Place> {
        match self.ask(topic, number).await {
            Ok(place) => Some(place),
            Err(error) => {
                self.register.refused(&format!("{topic}: {error:#}"));
                None
            }
        }
    }

    async fn ask(&self, topic: &str, number: u64) -> Result<Place> {
        let data = json!({ "publisher": self.name, "number": number });
        let body: Value = json!({ "topic": topic, "data": data });
        let asked = Instant::now();
        let (status, answer) = stack::post(self.doors.nginx, "/api/publish", &body).await?;
        ensure!(status == 200, "{status} {answer}");
        let place = publisher::place(topic, &answer).with_context(|| format!("no position: {answer}"))?;
        self.book.acknowledged(&place, &data, &self.name, asked);
        Ok(place)
    }
}
