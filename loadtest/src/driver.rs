//! A run: connect, settle, publish when it is due, wait for what is still under way, tell.
//!
//! Open loop: a burst is sent when the schedule says so, however late the one before was, and latency counts from when
//! it was due. One thread: what this program takes itself is part of the latency, and told as its CPU time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::audit::{Seen, number};
use crate::client::{Client, Stage};
use crate::frame;
use crate::process::{Process, Usage};
use crate::report::{Delivery, Latency, Phase, Report};
use crate::scenario::Scenario;

/// Connections whose subscription has not been answered.
const UNDER_WAY: usize = 256;
/// For a server to answer, and for the last messages to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between the last subscription and the first look at memory.
const SETTLE: Duration = Duration::from_secs(2);
const SCRATCH: usize = 256 * 1024;
/// Of a latency, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

pub(crate) struct Driver {
    scenario: Scenario,
    target: SocketAddr,
    path: String,
    server: Option<Process>,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    /// Answered and following.
    following: usize,
    started: Instant,
    scratch: Vec<u8>,
    counts: Counts,
}

struct Counts {
    delivered: u64,
    missing: u64,
    told: u64,
    errors: u64,
    latency: Histogram<u64>,
}

/// Of the server and of this program.
struct Look(Option<Usage>, Usage, Instant);

impl Driver {
    pub(crate) fn new(
        scenario: Scenario,
        target: SocketAddr,
        path: &str,
        server: Option<Process>,
    ) -> Result<Self> {
        Ok(Self {
            clients: Vec::with_capacity(scenario.clients + 1),
            scenario,
            target,
            path: path.to_owned(),
            server,
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            following: 0,
            started: Instant::now(),
            scratch: vec![0; SCRATCH],
            counts: Counts {
                delivered: 0,
                missing: 0,
                told: 0,
                errors: 0,
                latency: Histogram::new_with_bounds(1, LONGEST, 3)?,
            },
        })
    }

    pub(crate) fn run(mut self) -> Result<Report> {
        // The one that publishes is there from the start, so that it counts for nothing.
        let publisher = self.scenario.clients;
        let before = self.look()?;
        self.connect()?;
        let connected = self.look()?;
        self.wait(SETTLE)?;
        let settled = self.look()?;
        let mut load = None;
        if self.scenario.seconds > 0.0 {
            self.open(publisher)?;
            self.until("the publisher", |one| {
                one.clients[publisher].stage == Stage::Following
            })?;
            let begin = self.look()?;
            let sent = self.publish(publisher)?;
            let end = self.look()?;
            load = Some((sent, self.phase(&begin, &end)));
        } else {
            self.wait(Duration::from_secs_f64(self.scenario.idle))?;
        }
        let last = self.look()?;
        Ok(Report {
            connect: self.phase(&before, &connected),
            idle: self.phase(&before, &settled),
            whole: self.phase(&before, &last),
            clients: self.following,
            gone: self.clients.iter().filter(|one| one.stage == Stage::Gone).count(),
            delivery: load.map(|(sent, phase)| Delivery {
                published: sent.0,
                expected: sent.1,
                delivered: self.counts.delivered,
                missing: self.counts.missing,
                told: self.counts.told,
                errors: self.counts.errors,
                latency: Latency::of(&self.counts.latency),
                phase,
            }),
            scenario: self.scenario,
        })
    }

    fn connect(&mut self) -> Result<()> {
        let begun = Instant::now();
        for number in 0..self.scenario.clients {
            while self.clients.len() - self.following >= UNDER_WAY {
                self.turn(PATIENCE, "answers to subscriptions")?;
            }
            if self.scenario.connect_rate > 0 {
                let share = f64::from(u32::try_from(number)?) / f64::from(self.scenario.connect_rate);
                let due = begun + Duration::from_secs_f64(share);
                while let Some(left) = due.checked_duration_since(Instant::now()) {
                    self.poll_once(Some(left))?;
                }
            }
            self.open(number)?;
        }
        let all = self.scenario.clients;
        self.until("the last subscriptions", |one| one.following >= all)
    }

    fn open(&mut self, number: usize) -> Result<()> {
        let mut client = Client::connect(self.target, &self.path, number)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut client.stream, Token(number), interest)?;
        self.clients.push(client);
        Ok(())
    }

    /// Gives how many were published, and how many deliveries they are.
    fn publish(&mut self, publisher: usize) -> Result<(u64, u64)> {
        let Scenario {
            rate,
            burst,
            bytes,
            seconds,
            topics,
            ..
        } = self.scenario;
        let begun = Instant::now();
        let end = begun + Duration::from_secs_f64(seconds);
        let interval = Duration::from_secs_f64(1.0 / rate);
        let (mut due, mut topic) = (begun, 0);
        let (mut sent, mut expected) = (0, 0);
        while due < end {
            while let Some(left) = due
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            {
                self.poll_once(Some(left))?;
            }
            let since = u64::try_from((due - self.started).as_nanos())?;
            let mut frames = Vec::new();
            for _ in 0..burst {
                frames.extend(frame::masked(frame::TEXT, &publication(topic, since, bytes)));
            }
            self.clients[publisher].send(&frames)?;
            sent += burst as u64;
            let readers = self.scenario.followers(topic);
            expected += (burst * readers) as u64;
            topic = (topic + 1) % topics;
            due += interval;
            // Also when it is late already: who reads nothing holds up who writes.
            self.poll_once(Some(Duration::ZERO))?;
        }
        let stalled = self.scenario.stalled;
        if stalled == 0 {
            let limit = Instant::now() + PATIENCE;
            while self.counts.delivered + self.counts.missing < expected && Instant::now() < limit {
                self.poll_once(Some(Duration::from_millis(100)))?;
            }
        } else {
            self.wait(SETTLE)?;
        }
        Ok((sent, expected))
    }

    fn wait(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            self.poll_once(Some(left))?;
        }
        Ok(())
    }

    fn until(&mut self, what: &str, mut there: impl FnMut(&Self) -> bool) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        while !there(self) {
            ensure!(Instant::now() < limit, "waited {PATIENCE:?} in vain for {what}");
            self.turn(PATIENCE, what)?;
        }
        Ok(())
    }

    fn turn(&mut self, limit: Duration, what: &str) -> Result<()> {
        ensure!(
            self.poll_once(Some(limit))?,
            "waited {limit:?} in vain for {what}"
        );
        Ok(())
    }

    /// Waits for sockets and reads them. Gives whether there was something.
    fn poll_once(&mut self, limit: Option<Duration>) -> Result<bool> {
        match self.poll.poll(&mut self.events, limit) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(true),
            result => result?,
        }
        let now = u64::try_from(self.started.elapsed().as_nanos())?;
        for event in &self.events {
            let number = event.token().0;
            let Some(client) = self.clients.get_mut(number) else {
                continue;
            };
            if event.is_writable() && client.stage != Stage::Gone {
                client.flush()?;
            }
            if event.is_readable() && !matches!(client.stage, Stage::Gone | Stage::Stalled) {
                let (scenario, counts, following) = (&self.scenario, &mut self.counts, &mut self.following);
                client
                    .read(&mut self.scratch, |client, text| {
                        heard(client, number, text, scenario, counts, following, now)
                    })
                    .with_context(|| format!("client {number}"))?;
            }
        }
        Ok(!self.events.is_empty())
    }

    fn look(&self) -> Result<Look> {
        let server = self.server.as_ref().map(Process::usage).transpose()?;
        Ok(Look(server, Process::own().usage()?, Instant::now()))
    }

    fn phase(&self, from: &Look, to: &Look) -> Phase {
        let cpu = |from: Usage, to: Usage| to.cpu_seconds - from.cpu_seconds;
        let grown = |from: u64, to: u64| {
            let grown = f64::from(u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX)) * 1024.0;
            grown / f64::from(u32::try_from(self.following.max(1)).unwrap_or(u32::MAX))
        };
        let server = from.0.zip(to.0);
        Phase {
            seconds: (to.2 - from.2).as_secs_f64(),
            server_cpu_seconds: server.map(|(from, to)| cpu(from, to)),
            own_cpu_seconds: cpu(from.1, to.1),
            rss_bytes_per_client: server.map(|(from, to)| grown(from.rss_kib, to.rss_kib)),
            socket_bytes_per_client: grown(from.1.sockets_kib, to.1.sockets_kib),
        }
    }
}

fn publication(topic: usize, due: u64, bytes: usize) -> Vec<u8> {
    let head = format!("{{\"due\":{due},\"pad\":\"");
    let pad = "x".repeat(bytes.saturating_sub(head.len() + 2));
    format!("{{\"action\":\"publish\",\"topic\":\"load-{topic}\",\"data\":{head}{pad}\"}}}}").into_bytes()
}

/// What a client does with a message.
fn heard(
    client: &mut Client,
    number_of: usize,
    text: &[u8],
    scenario: &Scenario,
    counts: &mut Counts,
    following: &mut usize,
    now: u64,
) -> Result<()> {
    match client.stage {
        Stage::Subscribing if text.is_empty() => {
            if number_of == scenario.clients {
                client.stage = Stage::Following;
                return Ok(());
            }
            let topic = number_of % scenario.topics;
            let command = format!("{{\"action\":\"subscribe\",\"id\":1,\"topic\":\"load-{topic}\"}}");
            client.send(&frame::masked(frame::TEXT, command.as_bytes()))?;
        }
        Stage::Subscribing if text.starts_with(b"{\"type\":\"subscribed\"") => {
            if let Some(offset) = number(text, b"\"offset\":") {
                client.audit.start(offset);
            }
            *following += 1;
            let last = scenario.clients - scenario.stalled;
            client.stage = if number_of >= last {
                Stage::Stalled
            } else {
                Stage::Following
            };
        }
        _ if text.starts_with(b"{\"type\":\"error\"") => {
            counts.errors += 1;
            ensure!(
                client.stage == Stage::Following,
                "refused: {}",
                String::from_utf8_lossy(text)
            );
        }
        _ => match client.audit.message(text) {
            Seen::Message { due, missing } => {
                counts.delivered += 1;
                counts.missing += missing;
                counts.latency.saturating_record(now.saturating_sub(due).max(1));
            }
            Seen::Told => counts.told += 1,
            Seen::Other => {}
        },
    }
    Ok(())
}
