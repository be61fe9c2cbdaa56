//! The end of a round: nothing fails any more, and everybody must come level.
//!
//! A last word is published on every topic that somebody follows. Within [`SILENCE`] after service is back
//! every follower must have it, and of a state topic the map that Redis has; and what publishers were
//! promised must lead to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::book::Book;
use super::publisher::{self, Api};
use super::servers::Servers;
use super::truth::Place;
use super::{Followed, SILENCE, topics};

/// Between two looks at a subscriber.
const LOOK: Duration = Duration::from_millis(50);
/// What was on its way when the publishers stopped gets its place before the last word.
const SETTLE: Duration = Duration::from_secs(2);
/// Last words that are on their way at the same time.
const AT_ONCE: usize = 8;

#[derive(Debug)]
pub struct Calm<'a> {
    pub api: Api,
    pub book: Arc<Book>,
    pub followed: &'a [Followed],
    /// When service was back.
    pub back: Instant,
}

impl Calm<'_> {
    pub async fn come(&self, servers: &impl Servers) -> Result<()> {
        sleep(SETTLE).await;
        // So that the book knows every tag of what is settled below.
        servers.look().await?;
        let all: BTreeSet<&str> = self.followed.iter().map(|one| one.topic.as_str()).collect();
        for topic in all.iter().filter(|topic| topics::promise(topic).maps) {
            self.ended(servers, topic).await?;
        }
        let words = stream::iter(all).map(|topic| self.last_word(topic));
        let words: Vec<Place> = words.buffer_unordered(AT_ONCE).try_collect().await?;
        let out = self.back.elapsed();
        for last in &words {
            for one in self.followed.iter().filter(|one| one.topic == last.topic) {
                self.comes_level(servers, &one.who, last).await?;
                let remark = format!("the last words were out after {out:.1?}");
                self.book
                    .silence(self.back.elapsed(), &one.who, &one.topic, &remark);
            }
        }
        servers.look().await?;
        for last in &words {
            self.book.settle(last);
        }
        Ok(())
    }

    async fn last_word(&self, topic: &str) -> Result<Place> {
        let (path, body) = if topics::promise(topic).maps {
            (
                "/api/set",
                json!({ "topic": topic, "key": "calm", "value": "calm" }),
            )
        } else {
            ("/api/publish", json!({ "topic": topic, "data": "calm" }))
        };
        let answer = self.api.insist(path, &body).await?;
        publisher::place(topic, &answer).with_context(|| format!("no position in {answer}"))
    }

    async fn comes_level(&self, servers: &impl Servers, who: &str, last: &Place) -> Result<()> {
        if self.book.is_broken(who, &last.topic) {
            return Ok(());
        }
        match timeout(self.left(), self.level(servers, who, last)).await {
            Ok(level) => level?,
            Err(_) => self.behind(servers, who, last).await?,
        }
        Ok(())
    }

    /// Resolves when a subscriber has come to a place, and has Redis' map.
    async fn level(&self, servers: &impl Servers, who: &str, last: &Place) -> Result<()> {
        let topic = &last.topic;
        let maps = topics::promise(topic).maps;
        loop {
            let held = self.book.position(who, topic);
            let is_there = held.is_some_and(|held| held.epoch == last.epoch && held.offset >= last.offset);
            if is_there && (!maps || servers.map(topic).await? == self.book.map(who, topic)) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    async fn behind(&self, servers: &impl Servers, who: &str, last: &Place) -> Result<()> {
        let topic = &last.topic;
        let mut text = format!(
            "silent for {SILENCE:?} before {last:?}; it stands at {:?}",
            self.book.position(who, topic)
        );
        if topics::promise(topic).maps {
            let (redis, own) = (servers.map(topic).await?, self.book.map(who, topic));
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  Redis has the map {redis:?}\n  and it has {own:?}");
        }
        self.book.wrong(who, topic, &text);
        Ok(())
    }

    /// Waits until no key of a map is still to end.
    async fn ended(&self, servers: &impl Servers, topic: &str) -> Result<()> {
        let ended = async {
            while servers.map(topic).await?.is_none() {
                sleep(LOOK).await;
            }
            anyhow::Ok(())
        };
        if let Ok(ended) = timeout(self.left(), ended).await {
            return ended;
        }
        self.book
            .wrong("Redis", topic, "keys whose time is over are still there");
        Ok(())
    }

    fn left(&self) -> Duration {
        (self.back + SILENCE).saturating_duration_since(Instant::now())
    }
}
