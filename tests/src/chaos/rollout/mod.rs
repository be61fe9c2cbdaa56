//! A rolling restart behind nginx, which knows nothing of readiness: one gateway after the other is told to
//! stop, ends, is started again on its port, and must be ready before the next.
//!
//! Clients follow topics through nginx and come back when they were told to; heralds publish all the time, and
//! never try twice. Everything goes through nginx, and nothing is killed.

mod guest;
mod herald;
mod register;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate_shared::testing::RedisServer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::nodes::{Doors, Nodes};
use crate::wait;
use guest::Guest;
use herald::Herald;
use register::Register;

const NODES: usize = 3;
const HERALDS: u64 = 4;
/// Between two first visits.
const ARRIVALS: Duration = Duration::from_millis(5);
const CONNECT: Duration = Duration::from_secs(120);
/// For all to come back after the last restart, and to be level.
const SETTLE: Duration = Duration::from_secs(90);
/// A drain takes 285 s at most.
const RESTART: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub struct Options {
    pub clients: u64,
    pub topics: u64,
    /// Of the configuration; the logs of the namespace `long` hold everything.
    pub settings: &'static str,
    /// Between two publications of a herald.
    pub pause: Duration,
    /// Whether handshakes have to be spread, which is a matter of time.
    pub spread: bool,
}

/// Runs it, and gives what is to be told of it; that is written to `rollout.json` too where a folder is named.
pub async fn measure(options: &Options, folder: Option<&Path>) -> Result<Value> {
    let book = Arc::new(Book::default());
    let redis = RedisServer::start().await?;
    let settings = format!(
        "{}\n[[namespace]]\nname = \"long\"\nlog_size = 5000\n",
        options.settings
    );
    let mut nodes = Nodes::start(NODES, &redis.url(), &settings, book.clone()).await?;
    let run = Run {
        options,
        doors: Doors {
            nginx: nodes.doors().nginx,
            gateways: Vec::new(),
        },
        book,
        register: Arc::default(),
    };
    let outcome = run.restarts(&mut nodes).await;
    let report = outcome.with_context(|| nodes.logs())?;
    nodes.ensure_sound()?;
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
        std::fs::write(
            folder.join("rollout.json"),
            serde_json::to_string_pretty(&report)?,
        )?;
    }
    run.judge(&report).with_context(|| nodes.logs())?;
    Ok(report)
}

struct Run<'a> {
    options: &'a Options,
    doors: Doors,
    book: Arc<Book>,
    register: Arc<Register>,
}

impl Run<'_> {
    async fn restarts(&self, nodes: &mut Nodes) -> Result<Value> {
        let stop = CancellationToken::new();
        let mut guests = self.guests(&stop);
        self.all_follow().await?;
        let publishing = CancellationToken::new();
        let mut heralds = self.heralds(&publishing);
        self.all_hear(1).await?;
        for index in 0..NODES {
            self.register.begins();
            self.book.remark(&format!("restart of gateway {index}"));
            nodes.replace(index, RESTART).await?;
        }
        wait::until(SETTLE, "everybody to be back", async || {
            Ok((self.register.away() == 0).then_some(()))
        })
        .await?;
        publishing.cancel();
        while heralds.join_next().await.is_some() {}
        self.last_words().await?;
        stop.cancel();
        while guests.join_next().await.is_some() {}
        Ok(self.report())
    }

    fn guests(&self, stop: &CancellationToken) -> JoinSet<()> {
        let mut guests = JoinSet::new();
        for number in 0..self.options.clients {
            let guest = Guest {
                number,
                name: who(number),
                topic: self.topic(number),
                doors: self.doors.clone(),
                book: self.book.clone(),
                register: self.register.clone(),
            };
            let comes = ARRIVALS * u32::try_from(number).unwrap_or(u32::MAX);
            let stop = stop.clone();
            guests.spawn(async move {
                stop.run_until_cancelled(guest.follow(comes)).await;
            });
        }
        guests
    }

    fn heralds(&self, stop: &CancellationToken) -> JoinSet<()> {
        let topics: Vec<String> = (0..self.options.topics)
            .map(|number| self.topic(number))
            .collect();
        let heralds = (0..HERALDS).map(|number| Herald {
            name: format!("herald-{number}"),
            topics: topics.clone(),
            pause: self.options.pause,
            doors: self.doors.clone(),
            book: self.book.clone(),
            register: self.register.clone(),
        });
        heralds.map(|herald| herald.publish(stop.clone())).collect()
    }

    fn topic(&self, number: u64) -> String {
        format!("long:{}", number % self.options.topics)
    }

    async fn all_follow(&self) -> Result<()> {
        wait::until(CONNECT, "all clients to be subscribed", async || {
            Ok((self.register.away() == 0 && self.level(|_| 0)).then_some(()))
        })
        .await
    }

    /// Waits until each client has had so many publications.
    async fn all_hear(&self, count: u64) -> Result<()> {
        wait::until(SETTLE, "everybody to hear something", async || {
            Ok(self.level(|_| count).then_some(()))
        })
        .await
    }

    fn level(&self, offset: impl Fn(&str) -> u64) -> bool {
        (0..self.options.clients).all(|number| {
            let topic = self.topic(number);
            let held = self.book.position(&who(number), &topic);
            held.is_some_and(|held| held.offset >= offset(&topic))
        })
    }

    /// One more publication on each topic must come to everybody, and all that was acknowledged lead to it.
    async fn last_words(&self) -> Result<()> {
        let herald = Herald {
            name: "the last".to_owned(),
            topics: Vec::new(),
            pause: Duration::ZERO,
            doors: self.doors.clone(),
            book: self.book.clone(),
            register: self.register.clone(),
        };
        let mut places = Vec::new();
        for number in 0..self.options.topics {
            let place = herald.tell(&self.topic(number), 0).await;
            places.push(place.context("the last publication was refused")?);
        }
        wait::until(SETTLE, "everybody to have the last publication", async || {
            let last = |topic: &str| {
                let place = places.iter().find(|place| place.topic == topic);
                place.map_or(u64::MAX, |place| place.offset)
            };
            Ok((self.book.has_violations() || self.level(last)).then_some(()))
        })
        .await?;
        for place in &places {
            self.book.settle(place);
        }
        Ok(())
    }

    fn report(&self) -> Value {
        let sums = self.book.sums();
        let mut report = self.register.report(self.options.clients);
        report["clients"] = json!(self.options.clients);
        report["publications"] = json!(sums.counters);
        report["deliveries"] = json!(sums.told.entries);
        report["recovered"] = json!(sums.told.recovered);
        report["not_recovered"] = json!(sums.told.unrecovered);
        report["lagged"] = json!(sums.told.lagged);
        report["resets"] = json!(sums.told.resets);
        report["violations"] = json!(sums.violations);
        report
    }

    fn judge(&self, report: &Value) -> Result<()> {
        let none = |what: &str| {
            let value = &report[what];
            value.as_u64() == Some(0) || value.as_array().is_some_and(Vec::is_empty)
        };
        for what in [
            "violations",
            "not_recovered",
            "lagged",
            "resets",
            "refused_publications",
            "cut_twice_by_one_restart",
            "cut_without_goaway",
        ] {
            ensure!(none(what), "{what} is not 0: {report:#}");
        }
        let mean = report["cuts_of_a_client_in_the_mean"]
            .as_f64()
            .context("a mean")?;
        ensure!(mean < 2.0, "{mean} cuts of a client in the mean: {report:#}");
        let restarts = report["restarts"].as_array().context("restarts")?;
        ensure!(
            restarts.iter().all(|one| one["cut"].as_u64() > Some(0)),
            "a restart has cut nobody, so nothing was put to the test: {report:#}"
        );
        if self.options.spread {
            ensure!(
                restarts
                    .iter()
                    .all(|one| one["peak_to_mean"].as_f64() <= Some(3.0)),
                "handshakes are not spread: {report:#}"
            );
        }
        Ok(())
    }
}

fn who(number: u64) -> String {
    format!("client-{number}")
}
