//! Chaos over real processes: numbered publishers and auditing subscribers, while gateways, Redis and the
//! way between them fail by a seeded plan.
//!
//! A run goes in rounds: faults for a while, then calm, in which every subscriber must come level with the
//! log within [`SILENCE`]. What it was told in all that time must be true. Knows Redis' keys and the form
//! of log entries, to read the logs past the product; everything else by contract.

pub mod audit;
pub mod book;
pub mod calm;
pub mod jobs;
pub mod latency;
pub mod lives;
pub mod logs;
pub mod nodes;
pub mod outage;
pub mod pair;
pub mod plan;
pub mod proxy;
pub mod publisher;
pub mod reader;
pub mod report;
pub mod resume;
pub mod rollout;
pub mod servers;
pub mod slots;
pub mod stalled;
pub mod steps;
pub mod stream;
pub mod subscriber;
pub mod told;
pub mod topics;
pub mod truth;
pub mod watched;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use book::Book;
use calm::Calm;
use logs::Logs;
use nodes::{Doors, Nodes};
use pair::Pair;
use plan::{Mode, Planner};
use publisher::{Api, Publisher};
use report::Report;
use servers::Servers;
use slots::Slots;
use subscriber::{Subscriber, Way};
use watched::Watched;

/// How long a subscriber may be silent after service is back.
pub const SILENCE: Duration = Duration::from_secs(45);
const GATEWAYS: usize = 3;

#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub seed: u64,
    pub redis: Mode,
    /// No round begins after this.
    pub length: Duration,
    pub subscribers: u64,
    pub publishers: u64,
}

/// Runs it. Violations are in the report; an error is a process that died, or a run that could not go on.
pub async fn run(options: Options) -> Result<Report> {
    let book = Arc::new(Book::default());
    let logs = Logs {
        topics: topics::all(),
        book: book.clone(),
    };
    match options.redis {
        Mode::Single => run_on(options, &mut Pair::start(logs).await?, book).await,
        Mode::Sentinel => run_on(options, &mut Watched::start(logs).await?, book).await,
        Mode::Cluster => run_on(options, &mut Slots::start(logs).await?, book).await,
    }
}

async fn run_on(options: Options, servers: &mut impl Servers, book: Arc<Book>) -> Result<Report> {
    let mut nodes = Nodes::start(GATEWAYS, &servers.url(), topics::SETTINGS, book.clone()).await?;
    let run = Run {
        options,
        topics: topics::all(),
        doors: nodes.doors(),
        book,
    };
    let outcome = run.rounds(servers, &mut nodes).await;
    outcome.with_context(|| format!("seed {}\n{}", options.seed, nodes.logs()))
}

/// Somebody follows a topic all the time.
#[derive(Debug, Clone)]
pub struct Followed {
    pub who: String,
    pub topic: String,
}

struct Run {
    options: Options,
    topics: Vec<String>,
    doors: Doors,
    book: Arc<Book>,
}

impl Run {
    async fn rounds(&self, servers: &mut impl Servers, nodes: &mut Nodes) -> Result<Report> {
        let started = Instant::now();
        let mut planner = Planner::new(self.options.seed, self.options.redis, GATEWAYS);
        let leave = CancellationToken::new();
        let (mut subscribers, followed) = self.subscribers(&leave);
        let mut rounds = 0;
        while rounds == 0 || (started.elapsed() < self.options.length && !self.book.has_violations()) {
            rounds += 1;
            let stop = CancellationToken::new();
            let mut working = self.working(&stop, rounds, nodes);
            let plan = planner.plan();
            let (one, other) = tokio::join!(servers.run(&plan.redis, &self.book), nodes.run(&plan.nodes));
            one?;
            other?;
            let back = Instant::now();
            self.book.remark("calm");
            stop.cancel();
            let calm = Calm {
                api: Api::new(&self.doors)?,
                book: self.book.clone(),
                followed: &followed,
                back,
            };
            calm.come(servers).await?;
            self.jobs_end(&mut working, back).await;
            servers.look().await?;
            nodes.ensure_sound()?;
        }
        leave.cancel();
        while subscribers.join_next().await.is_some() {}
        Ok(Report {
            seed: self.options.seed,
            rounds,
            seconds: started.elapsed().as_secs_f64(),
            sums: self.book.sums(),
            metrics: nodes.metrics().await,
        })
    }

    /// Who follows what: one to three topics each, and some very many.
    fn subscribers(&self, leave: &CancellationToken) -> (JoinSet<()>, Vec<Followed>) {
        let mut tasks = JoinSet::new();
        let mut followed = Vec::new();
        for number in 0..self.options.subscribers {
            let topics: Vec<String> = if number % 7 == 6 {
                topics::many(number / 7).collect()
            } else {
                let first = usize::try_from(number).unwrap_or_default();
                let steps = 0..1 + first % 3;
                steps
                    .map(|step| self.topics[(first + step * 5) % self.topics.len()].clone())
                    .collect()
            };
            let name = format!("subscriber-{number}");
            followed.extend(topics.iter().map(|topic| Followed {
                who: name.clone(),
                topic: topic.clone(),
            }));
            let subscriber = self.subscriber(name, number, topics, number % 2 == 1, leave.clone());
            let way = if number % 5 > 2 {
                Way::EventStream
            } else {
                Way::Socket
            };
            tasks.spawn(Subscriber { way, ..subscriber }.run());
        }
        (tasks, followed)
    }

    fn subscriber(
        &self,
        name: String,
        number: u64,
        topics: Vec<String>,
        restless: bool,
        stop: CancellationToken,
    ) -> Subscriber {
        Subscriber {
            name,
            seed: self.options.seed.wrapping_mul(1_000).wrapping_add(number),
            topics,
            way: Way::Socket,
            restless,
            doors: self.doors.clone(),
            book: self.book.clone(),
            stop,
        }
    }

    /// Publishers and submitters of one round.
    fn working(&self, stop: &CancellationToken, round: u32, nodes: &Nodes) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for number in 0..self.options.publishers {
            let kind = if number % 2 == 0 { "native" } else { "http" };
            let publisher = Publisher {
                name: format!("{kind}-{round}-{number}"),
                seed: self.options.seed ^ (u64::from(round) << 32) ^ number,
                topics: self.topics.clone(),
                many: self.options.subscribers / 7,
                pace: 60,
                doors: self.doors.clone(),
                book: self.book.clone(),
                stop: stop.clone(),
            };
            if number % 2 == 0 {
                tasks.spawn(publisher.native());
            } else {
                tasks.spawn(publisher.over_http());
            }
        }
        let template = self.subscriber(format!("jobs-{round}"), 0, Vec::new(), true, stop.clone());
        tasks.spawn(jobs::run(template, nodes.worlds()));
        tasks
    }

    async fn jobs_end(&self, working: &mut JoinSet<()>, back: Instant) {
        let left = (back + SILENCE * 2).saturating_duration_since(Instant::now());
        let ended = async { while working.join_next().await.is_some() {} };
        if tokio::time::timeout(left, ended).await.is_err() {
            for (who, topic) in self.book.followed("job:") {
                let text = format!("the job has not ended {:?} after service was back", SILENCE * 2);
                self.book.wrong(&who, &topic, &text);
            }
        }
    }
}
