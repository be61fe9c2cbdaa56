//! The other way to follow topics: an event stream, resumed by the last id that came whole.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::subscriber::{AFTERWARDS, AGAIN, DEAD, Left, Subscriber};
use crate::stack::API_KEY;

impl Subscriber {
    pub(super) async fn follow_stream(self) {
        let mut random = SmallRng::seed_from_u64(self.seed);
        let born = Instant::now();
        let Ok(http) = reqwest::Client::builder().connect_timeout(DEAD).build() else {
            return;
        };
        let mut last = None;
        loop {
            for topic in &self.topics {
                self.book.rewind(&self.name, topic);
                self.book
                    .note(&self.name, topic, format!("asks for a stream, last id {last:?}"));
            }
            match self.stream(&http, &mut last, &mut random, born).await {
                Ok(Left::Over) => return,
                Ok(Left::Broken) => {}
                Err(error) => {
                    for topic in &self.topics {
                        self.book.note(&self.name, topic, format!("left: {error:#}"));
                    }
                }
            }
            sleep(AGAIN).await;
        }
    }

    async fn stream(
        &self,
        http: &reqwest::Client,
        last: &mut Option<String>,
        random: &mut SmallRng,
        born: Instant,
    ) -> Result<Left> {
        let mut request = http.get(self.address(random));
        if let Some(last) = &*last {
            request = request.header("last-event-id", last);
        }
        let mut answer = timeout(DEAD, request.bearer_auth(API_KEY).send()).await??;
        if answer.status() != 200 {
            let status = answer.status().as_u16();
            let problem: Value = timeout(DEAD, answer.json()).await?.unwrap_or_default();
            // nginx answers 502 and 504 for gateways that are gone or stopped.
            if status < 500 && !self.refused(&problem, born) {
                return Ok(Left::Over);
            }
            bail!("{status} {problem}");
        }
        self.book.count("event streams", 1);
        let mut read = Vec::new();
        let mut heard = Instant::now();
        let mut over: Option<Instant> = None;
        loop {
            if over.is_some_and(|over| over.elapsed() > AFTERWARDS) {
                return Ok(Left::Over);
            }
            if heard.elapsed() > DEAD {
                bail!("nothing came for {DEAD:?}");
            }
            let chunk = match timeout(AGAIN, answer.chunk()).await {
                Ok(chunk) => chunk?,
                Err(_) => continue,
            };
            let Some(chunk) = chunk else {
                return Ok(Left::Broken);
            };
            heard = Instant::now();
            read.extend_from_slice(&chunk);
            while let Some(end) = read.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = read.drain(..end + 2).collect();
                let Some(frame) = block_of(&String::from_utf8(block)?, last)? else {
                    continue;
                };
                if frame["type"] == "error" && !self.refused(&frame, born) {
                    return Ok(Left::Over);
                }
                if frame["topic"].is_string() && frame["type"] != "error" {
                    self.tell(&frame);
                }
            }
            let is_over = self.topics.len() == 1 && self.book.is_over(&self.name, &self.topics[0]);
            over = is_over.then(|| over.unwrap_or_else(Instant::now));
            if self.restless {
                match random.random_range(0..1_000) {
                    0 => bail!("leaves by itself"),
                    1 => sleep(Duration::from_millis(random.random_range(0..7_000))).await,
                    _ => {}
                }
            }
        }
    }

    /// A job has an address of its own, too.
    fn address(&self, random: &mut SmallRng) -> String {
        let origin = format!("http://127.0.0.1:{}", self.doors.any());
        if let [topic] = self.topics.as_slice()
            && let Some(id) = topic.strip_prefix("job:")
            && random.random_bool(0.5)
        {
            return format!("{origin}/api/jobs/{id}/events");
        }
        let query: Vec<String> = self.topics.iter().map(|topic| format!("topic={topic}")).collect();
        format!("{origin}/events?{}", query.join("&"))
    }
}

/// What a block says, if it says anything; its id becomes the last.
fn block_of(block: &str, last: &mut Option<String>) -> Result<Option<Value>> {
    let mut frame = None;
    for line in block.lines() {
        if let Some(id) = line.strip_prefix("id: ") {
            *last = Some(id.to_owned());
        } else if let Some(data) = line.strip_prefix("data: ") {
            frame = Some(serde_json::from_str(data)?);
        }
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_gives_its_data_and_moves_the_id_only_if_it_has_one() {
        let mut last = None;
        let frame = block_of("id: 1.a\ndata: {\"type\":\"message\"}\n\n", &mut last).expect("a block");
        assert_eq!(frame, Some(json!({ "type": "message" })));
        assert_eq!(block_of(": \n\n", &mut last).expect("a heartbeat"), None);
        block_of("data: {}\n\n", &mut last).expect("a block");
        assert_eq!(last.as_deref(), Some("1.a"));
    }
}
