//! The schedule: bursts when they are due, and a rate that keeps the server as busy as it is to be.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::driver::connect::topic;
use crate::driver::data::data;
use crate::driver::turn::PATIENCE;
use crate::driver::{Driver, SETTLE};

/// Times that a rate is corrected, and how long each is tried.
const TRIES: usize = 3;
const TRIAL: f64 = 2.0;
/// A trial finds a rate that is at most so many times the one before.
const STEP: f64 = 8.0;
/// Bytes that a publisher holds for a server that takes no more: it is overloaded beyond measure.
const MOST_UNSENT: usize = 256 * 1024 * 1024;

impl Driver<'_> {
    /// Gives how many were published, and how many deliveries they are.
    pub(super) fn publish_for(&mut self, seconds: f64) -> Result<(u64, u64)> {
        let (first, publishers) = (self.scenario.clients, self.scenario.publishers);
        let mut turn = 0;
        let (burst, topics, spread) = (self.scenario.burst, self.scenario.topics, self.scenario.spread);
        let begun = Instant::now();
        let end = begun + Duration::from_secs_f64(seconds);
        let interval = Duration::from_secs_f64(1.0 / self.scenario.rate);
        let before = self.counts.delivered + self.counts.missing;
        let (mut due, mut at) = (begun, 0);
        let (mut sent, mut expected) = (0, 0);
        self.bar.set_length(Duration::from_secs_f64(seconds).as_secs());
        let mut frames = Vec::new();
        while due < end {
            self.wait_until(due)?;
            if self.scenario.lockstep {
                self.arrive(before + expected)?;
                due = Instant::now();
            }
            let since = u64::try_from((due - self.started).as_nanos())?;
            frames.clear();
            for _ in 0..burst {
                self.numbers[at] += 1;
                let data = data(
                    since,
                    self.numbers[at],
                    self.scenario.bytes,
                    self.scenario.deflate,
                );
                self.protocol.publication(&topic(at), &data, &mut frames);
                expected += self.scenario.followers(at) as u64;
                if spread {
                    at = (at + 1) % topics;
                }
            }
            sent += burst as u64;
            if !spread {
                at = (at + 1) % topics;
            }
            let publisher = first + turn % publishers;
            turn += 1;
            self.clients[publisher].send(&frames)?;
            ensure!(
                self.clients[publisher].backlog() < MOST_UNSENT,
                "the server takes far less than it is sent"
            );
            due += interval;
            self.bar.set_position((due - begun).as_secs());
            // Also when it is late already: who reads nothing holds up who writes.
            self.turn(Duration::ZERO)?;
        }
        if self.scenario.stalled == 0 {
            self.bar.set_message("waiting");
            self.arrive(before + expected)?;
        } else {
            self.wait(SETTLE)?;
        }
        Ok((sent, expected))
    }

    /// Waits until so many deliveries have arrived, or must be taken to be lost.
    fn arrive(&mut self, expected: u64) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        while self.counts.delivered + self.counts.missing < expected && Instant::now() < limit {
            self.turn(Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// The rate that takes this part of the server's core.
    pub(super) fn rate_for(&mut self, load: f64) -> Result<f64> {
        let mut rate = self.scenario.rate;
        for _ in 0..TRIES {
            self.scenario.rate = rate;
            let begin = self.look(false)?;
            self.publish_for(TRIAL)?;
            let end = self.look(false)?;
            let (cpu, clock) = begin
                .busy(&end)
                .context("`load` needs a server whose CPU time is known")?;
            let is = cpu / clock.max(TRIAL);
            rate = (rate * (load / is.max(1e-3)).clamp(1.0 / STEP, STEP)).min(100_000.0);
        }
        Ok(rate)
    }
}
