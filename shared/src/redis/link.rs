//! What the rest of the process is told about the connection.

use parking_lot::Mutex;
use tokio::sync::watch;

use super::metrics::RedisMetrics;
use crate::broker::Link;

/// Puts the states of the connections together. Up is up only where both commands and hearing work.
#[derive(Debug)]
pub(super) struct LinkState {
    parts: Mutex<Parts>,
    link: watch::Sender<Link>,
    metrics: RedisMetrics,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Commands,
    Hearing,
}

#[derive(Debug, Default)]
struct Parts {
    commands: bool,
    hearing: bool,
    /// Was up before.
    reached: bool,
    refused: Option<String>,
}

impl LinkState {
    pub(super) fn new(metrics: RedisMetrics) -> Self {
        metrics.up.set(0.0);
        Self {
            parts: Mutex::default(),
            link: watch::Sender::new(Link::Connecting),
            metrics,
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    pub(super) fn set(&self, part: Part, up: bool) {
        self.change(|parts| match part {
            Part::Commands => parts.commands = up,
            Part::Hearing => parts.hearing = up,
        });
    }

    pub(super) fn refuse(&self, why: String) {
        self.change(|parts| parts.refused = Some(why));
    }

    /// What to answer while a call can't be made.
    pub(super) fn why_not(&self) -> String {
        match &*self.link.borrow() {
            Link::Connecting => "not connected to Redis yet".to_owned(),
            Link::Up | Link::Down => "the connection to Redis is lost".to_owned(),
            Link::Refused(why) => why.clone(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock();
        change(&mut parts);
        let link = match &parts.refused {
            Some(why) => Link::Refused(why.clone()),
            None if parts.commands && parts.hearing => Link::Up,
            None if parts.reached => Link::Down,
            None => Link::Connecting,
        };
        let up = link == Link::Up;
        parts.reached |= up;
        self.metrics.up.set(f64::from(u8::from(up)));
        self.link.send_if_modified(|current| {
            let changed = *current != link;
            *current = link;
            changed
        });
    }
}
