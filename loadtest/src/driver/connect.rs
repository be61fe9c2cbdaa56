//! How clients come, go by plan, and come back.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use anyhow::Result;
use mio::{Interest, Token};

use crate::client::{Client, Stage};
use crate::driver::Driver;
use crate::handshake;

/// Connections whose subscription has not been answered.
const UNDER_WAY: usize = 100;
/// Clients of one source address: fewer than there are ports to connect from.
const PER_ADDRESS: usize = 20_000;
/// Before a client tries again that was refused, or cut off without a word.
const AGAIN: Duration = Duration::from_millis(200);
/// Clients that reconnect by plan are not neighbours: a prime.
const STRIDE: usize = 7919;

/// Who reconnects next, by plan.
pub(super) struct Churn {
    pub(super) due: Instant,
    interval: Duration,
    next: usize,
}

impl Driver<'_> {
    pub(super) fn connect(&mut self) -> Result<()> {
        let all = self.scenario.clients;
        self.bar.set_message("connecting");
        self.bar.set_length(all as u64);
        let begun = Instant::now();
        for number in 0..all {
            if self.clients.len() - self.following >= UNDER_WAY {
                self.until("answers to subscriptions", |one| {
                    one.clients.len() - one.following < UNDER_WAY
                })?;
            }
            if self.scenario.connect_rate > 0 {
                let share = f64::from(u32::try_from(number)?) / f64::from(self.scenario.connect_rate);
                self.wait_until(begun + Duration::from_secs_f64(share))?;
            }
            let client = self.follower(number)?;
            self.clients.push(client);
            self.bar.set_position(self.following as u64);
        }
        self.until("the last subscriptions", |one| one.following >= all)
    }

    fn follower(&mut self, number: usize) -> Result<Client> {
        let addresses = &self.target.addresses;
        let address = addresses[number % addresses.len()];
        let path = self.protocol.path(&topic(number % self.scenario.topics));
        let path = path.as_deref().unwrap_or(&self.target.path);
        let mut client = Client::connect(address, self.source(number), self.tls.as_ref())?;
        let request = handshake::request(address, path, self.protocol, self.scenario.deflate);
        client.send(request.as_bytes())?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut client.wire.stream, Token(number), interest)?;
        Ok(client)
    }

    /// As many addresses as the scenario says, and as all these connections need.
    fn source(&self, number: usize) -> u8 {
        let needed = self.scenario.clients / PER_ADDRESS + 1;
        let sources = needed.max(usize::from(self.scenario.addresses));
        u8::try_from(number % sources).unwrap_or_default()
    }

    /// One that publishes; they have the numbers after the last.
    pub(super) fn open_publisher(&mut self, which: usize, node: usize) -> Result<()> {
        let number = self.scenario.clients + which;
        let address = self.target.addresses[node % self.target.addresses.len()];
        let mut client = Client::connect(address, 0, self.tls.as_ref())?;
        if self.protocol.publishes_by_http() {
            client.stage = Stage::Following;
        } else {
            let request = handshake::request(address, &self.target.path, self.protocol, false);
            client.send(request.as_bytes())?;
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut client.wire.stream, Token(number), interest)?;
        if self.clients.len() > number {
            self.clients[number] = client;
        } else {
            self.clients.push(client);
        }
        self.until("the publisher", |one| {
            one.clients[number].stage == Stage::Following
        })
    }

    /// A client that has lost its connection comes back when it was told to.
    pub(super) fn lost(&mut self, number: usize) {
        if self.scenario.returns() && number < self.scenario.clients {
            let client = &self.clients[number];
            let after = client.back_after.map_or(AGAIN, Duration::from_millis);
            self.comings.push(Reverse((Instant::now() + after, number)));
        }
    }

    pub(super) fn come_back(&mut self, number: usize) {
        let Ok(mut client) = self.follower(number) else {
            self.comings.push(Reverse((Instant::now() + AGAIN, number)));
            return;
        };
        let old = &mut self.clients[number];
        client.audit = old.audit;
        client.position = old.position.take();
        client.returning = true;
        self.counts.returns.tried += 1;
        *old = client;
    }

    pub(super) fn begin_churn(&mut self) {
        let a_minute = self.scenario.churn * f64::from(u32::try_from(self.scenario.clients).unwrap_or(1));
        if a_minute > 0.0 {
            let interval = Duration::from_secs_f64(60.0 / a_minute);
            self.churn = Some(Churn {
                due: Instant::now() + interval,
                interval,
                next: 0,
            });
        }
    }

    /// Whose turn it is goes and comes back at once.
    pub(super) fn churn(&mut self, now: Instant) {
        while let Some(churn) = self.churn.as_mut().filter(|churn| churn.due <= now) {
            churn.due += churn.interval;
            churn.next = (churn.next + STRIDE) % self.scenario.clients;
            let number = churn.next;
            if self.clients[number].stage == Stage::Following {
                self.come_back(number);
            }
        }
    }

    /// Nodes are replaced in turn, spread over the first two thirds of the time.
    pub(super) fn begin_rollout(&mut self) {
        if self.scenario.rollout && self.fleet.is_some() {
            let step = Duration::from_secs_f64(self.scenario.seconds * 0.6) / self.scenario.nodes;
            let now = Instant::now();
            let at = |node: u32| (now + step / 2 + step * node, node);
            self.rollout = (0..self.scenario.nodes).rev().map(at).collect();
        }
    }

    pub(super) fn roll(&mut self, now: Instant) -> Result<()> {
        while let Some((_, node)) = self.rollout.pop_if(|(due, _)| *due <= now) {
            if let Some(fleet) = self.fleet.as_mut() {
                self.target.addresses = fleet.replace(node)?;
                // It has no acknowledgements to tell what must be published again, so it moves before it is sent away.
                self.open_publisher(0, node as usize)?;
            }
        }
        Ok(())
    }
}

pub(super) fn topic(number: usize) -> String {
    format!("load-{number}")
}
