use std::time::{Duration, Instant};

use super::address::Address;

/// A broken connection is reported at once, and then every so often.
const REPORT: Duration = Duration::from_secs(5);

/// Says in the log how the connection is doing, without flooding it.
#[derive(Debug)]
pub(super) struct Reports {
    what: &'static str,
    last: Option<Instant>,
    since: Option<Instant>,
}

impl Reports {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            last: None,
            since: None,
        }
    }

    pub(super) fn broken(&mut self, address: &Address, why: &str) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.last.is_none_or(|last| last.elapsed() >= REPORT) {
            self.last = Some(Instant::now());
            let seconds = since.elapsed().as_secs();
            let what = self.what;
            tracing::warn!("no {what} at {address} for {seconds} s, trying on: {why}");
        }
    }

    pub(super) fn connected(&mut self, address: &Address) {
        tracing::info!("{} at {address} is there", self.what);
        *self = Self::new(self.what);
    }
}
