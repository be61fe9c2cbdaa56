//! What a client does with what it hears.

use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::audit::{Position, field, number};
use crate::client::{Client, Event, Stage};
use crate::driver::connect::topic;
use crate::driver::counts::Counts;
use crate::driver::jobs::Jobs;
use crate::protocol::{Heard, Protocol};
use crate::scenario::Scenario;

pub(super) struct Ear<'d> {
    pub(super) scenario: &'d Scenario,
    pub(super) protocol: &'static dyn Protocol,
    pub(super) counts: &'d mut Counts,
    pub(super) following: &'d mut usize,
    pub(super) jobs: Option<&'d mut Jobs>,
    pub(super) started: Instant,
    /// When the bytes came; the same for all that came with them.
    pub(super) now: Option<u64>,
}

impl Ear<'_> {
    pub(super) fn hear(&mut self, client: &mut Client, who: usize, event: Event<'_>) -> Result<()> {
        match event {
            Event::Upgraded => {
                client.send(&self.protocol.hello())?;
                if self.protocol.ready_at_once() {
                    self.ready(client, who)?;
                }
            }
            Event::Heard(Heard::Ready) if client.stage == Stage::Greeting => self.ready(client, who)?,
            Event::Heard(Heard::Subscribed { position, recovered }) if client.stage == Stage::Subscribing => {
                self.subscribed(client, who, position, recovered);
            }
            Event::Heard(Heard::Message { text, offset }) => self.message(client, text, offset),
            Event::Heard(Heard::Job(text)) => {
                let now = self.now();
                if let Some(jobs) = &mut self.jobs {
                    jobs.hear(who, text, now);
                }
            }
            Event::Heard(Heard::Told) => {
                self.counts.told += 1;
                client.audit.forget();
            }
            Event::Heard(Heard::Goaway(after)) => client.back_after = Some(after),
            Event::Heard(Heard::Answer(bytes)) => client.send(&bytes)?,
            Event::Heard(Heard::Refused(text)) => {
                self.counts.errors += 1;
                let text = String::from_utf8_lossy(&text[..text.len().min(300)]).into_owned();
                ensure!(client.stage == Stage::Following, "refused: {text}");
                if self.counts.errors > 1_000 {
                    bail!("more than 1000 errors, the last of them: {text}");
                }
                self.counts.error = Some(text);
            }
            Event::Heard(_) => {}
        }
        Ok(())
    }

    fn ready(&mut self, client: &mut Client, who: usize) -> Result<()> {
        if who >= self.scenario.clients {
            client.stage = Stage::Following;
            return Ok(());
        }
        let topic = topic(who % self.scenario.topics);
        client.stage = Stage::Subscribing;
        match self.protocol.subscribe(&topic, client.position.as_deref()) {
            Some(frames) => client.send(&frames)?,
            None => self.subscribed(client, who, None, None),
        }
        Ok(())
    }

    fn subscribed(
        &mut self,
        client: &mut Client,
        who: usize,
        position: Option<Position>,
        recovered: Option<bool>,
    ) {
        let first_live = self.scenario.clients - self.scenario.stalled;
        client.stage = if who >= first_live {
            Stage::Stalled
        } else {
            Stage::Following
        };
        if !client.returning {
            *self.following += 1;
        } else if recovered == Some(true) {
            self.counts.returns.recovered += 1;
        } else {
            self.counts.returns.lost += 1;
        }
        if recovered != Some(true) {
            match &position {
                Some(position) => client.audit.start(position.offset),
                None => client.audit.forget(),
            }
            if self.scenario.returns() {
                client.position = position.map(Box::new);
            }
        }
    }

    fn now(&mut self) -> u64 {
        let started = self.started;
        *self
            .now
            .get_or_insert_with(|| u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn message(&mut self, client: &mut Client, text: &[u8], offset: Option<u64>) {
        let now = self.now();
        let Some(due) = number(text, b"\"due\":") else {
            return;
        };
        let place = offset.or_else(|| number(text, b"\"n\":"));
        let missing = place.map_or(0, |place| client.audit.message(place));
        self.counts.message(now.saturating_sub(due), missing);
        if self.scenario.returns()
            && let (Some(position), Some(offset)) = (client.position.as_mut(), offset)
        {
            position.offset = offset;
            position.tag = field(text, b"\"tag\":\"").unwrap_or_default().into();
        }
    }
}
