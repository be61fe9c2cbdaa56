use std::fmt::Display;
use std::time::{Duration, Instant};

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

    pub(super) fn broken(&mut self, address: &impl Display, why: &str) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.last.is_none_or(|last| last.elapsed() >= REPORT) {
            self.last = Some(Instant::now());
            let (what, why) = (self.what, told(why));
            match since.elapsed().as_secs() {
                0 => tracing::warn!("no {what} at {address}, trying on: {why}"),
                seconds => tracing::warn!("no {what} at {address} for {seconds} s, trying on: {why}"),
            }
        }
    }

    pub(super) fn connected(&mut self, address: &impl Display) {
        tracing::info!("{} at {address} is there", self.what);
        *self = Self::new(self.what);
    }
}

/// fred tells an error of the system as its debug print; people get the message in it.
fn told(why: &str) -> &str {
    why.split_once("message: \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or(why, |(message, _)| message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_told_by_its_message() {
        let print = r#"Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }"#;
        assert_eq!(told(print), "Connection refused");
        assert_eq!(told("timed out"), "timed out");
    }
}
