//! One turn of the loop: sockets, and whatever is due.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::client::Stage;
use crate::driver::{Driver, heard};
use crate::report::Sample;

/// For a server to answer, and for the last messages to arrive.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);

impl Driver<'_> {
    pub(super) fn wait(&mut self, time: Duration) -> Result<()> {
        self.wait_until(Instant::now() + time)
    }

    pub(super) fn wait_until(&mut self, end: Instant) -> Result<()> {
        while let Some(left) = end
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            self.turn(left)?;
        }
        Ok(())
    }

    pub(super) fn until(&mut self, what: &str, mut there: impl FnMut(&Self) -> bool) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        while !there(self) {
            ensure!(Instant::now() < limit, "waited {PATIENCE:?} in vain for {what}");
            self.turn(Duration::from_secs(1))?;
        }
        Ok(())
    }

    /// Waits for sockets, no longer than until something is due, and reads them.
    pub(super) fn turn(&mut self, limit: Duration) -> Result<()> {
        let limit = self.due(limit)?;
        match self.poll.poll(&mut self.events, Some(limit)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let mut gone = Vec::new();
        for event in &self.events {
            let number = event.token().0;
            let Some(client) = self.clients.get_mut(number) else {
                continue;
            };
            if client.stage == Stage::Gone {
                continue;
            }
            if event.is_writable() {
                client.flush()?;
            }
            if event.is_readable() && client.stage != Stage::Stalled {
                if number >= self.scenario.clients && self.protocol.publishes_by_http() {
                    client.discard(&mut self.scratch);
                    continue;
                }
                let mut ear = heard::Ear {
                    scenario: &self.scenario,
                    protocol: self.protocol,
                    counts: &mut self.counts,
                    following: &mut self.following,
                    jobs: self.jobs.as_mut(),
                    started: self.started,
                    now: None,
                };
                let before = client.wire.received;
                client
                    .read(
                        &mut self.scratch,
                        &mut self.inflate,
                        self.protocol,
                        |client, event| ear.hear(client, number, event),
                    )
                    .with_context(|| format!("client {number}"))?;
                if number < self.scenario.clients {
                    self.counts.received += client.wire.received - before;
                }
            }
            if client.stage == Stage::Gone {
                gone.push(number);
            }
        }
        self.act_on_jobs()?;
        for number in gone {
            self.lost(number);
        }
        Ok(())
    }

    /// Does what is due, and gives how long there is nothing.
    fn due(&mut self, limit: Duration) -> Result<Duration> {
        let now = Instant::now();
        while let Some(Reverse((due, number))) = self.comings.peek().copied()
            && due <= now
        {
            self.comings.pop();
            self.come_back(number);
        }
        self.churn(now);
        self.roll(now)?;
        if self.next_sample <= now {
            self.next_sample = now + BETWEEN_SAMPLES;
            self.sample(now)?;
        }
        let next = [
            Some(self.next_sample),
            self.comings.peek().map(|next| next.0.0),
            self.churn.as_ref().map(|churn| churn.due),
            self.rollout.last().map(|(due, _)| *due),
        ];
        let next = next.into_iter().flatten().min();
        let left = next.map_or(limit, |due| due.saturating_duration_since(now));
        Ok(limit.min(left))
    }

    fn sample(&mut self, now: Instant) -> Result<()> {
        let server = &self.target.server;
        let usage = (!server.is_none()).then(|| server.usage()).transpose()?;
        self.samples.push(Sample {
            at: (now - self.started).as_secs_f64(),
            server_cpu_seconds: usage.map(|usage| usage.cpu_seconds),
            rss: usage.map(|usage| usage.rss),
            connected: self.following - self.comings.len().min(self.following),
            delivered: self.counts.delivered,
        });
        Ok(())
    }
}
