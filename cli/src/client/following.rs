//! Keeps a follower connected: opens, resumes, waits and tries again, until the caller has seen enough or
//! the gateway says for good that it does not want it.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::Backoff;
use super::connection::{ConnectError, Connection};
use super::follower::{Event, Follower};
use super::target::Target;

/// What happened next.
#[derive(Debug)]
pub(crate) enum Step {
    Event(Event),
    Notice(Notice),
}

/// What happened to the connection.
#[derive(Debug)]
pub(crate) enum Notice {
    Connected,
    /// The next attempt comes after `wait`.
    Lost {
        reason: String,
        wait: Duration,
    },
}

/// Why there is nothing more to follow.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Ended(String);

#[derive(Debug)]
pub(crate) struct Following {
    target: Target,
    follower: Follower,
    connection: Option<Connection>,
    backoff: Backoff,
    /// To wait before the next attempt.
    wait: Duration,
    steps: VecDeque<Step>,
    /// A random number from 0 to 1.
    random: fn() -> f64,
}

impl Following {
    pub(crate) fn new(target: Target, follower: Follower, random: fn() -> f64) -> Self {
        Self {
            target,
            follower,
            connection: None,
            backoff: Backoff::default(),
            wait: Duration::ZERO,
            steps: VecDeque::new(),
            random,
        }
    }

    /// Waits for the next thing to know. An error is final.
    pub(crate) async fn next(&mut self) -> Result<Step, Ended> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Ok(step);
            }
            if self.follower.is_idle() {
                return Err(Ended("everything that was asked for has been refused".into()));
            }
            match &mut self.connection {
                None => self.connect().await?,
                Some(connection) => match connection.next().await {
                    Ok(frame) => {
                        let events = self.follower.on_frame(frame);
                        self.take(events);
                    }
                    Err(lost) if lost.forbidden => return Err(Ended(lost.reason)),
                    Err(lost) => self.lost(lost.reason),
                },
            }
        }
    }

    /// Ends the connection in good order.
    pub(crate) async fn close(self) {
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }

    async fn connect(&mut self) -> Result<(), Ended> {
        tokio::time::sleep(std::mem::take(&mut self.wait)).await;
        let mut connection = match Connection::open(&self.target).await {
            Ok(connection) => connection,
            Err(ConnectError::Final(reason)) => return Err(Ended(reason)),
            Err(ConnectError::Retry(reason)) => {
                self.lost(reason);
                return Ok(());
            }
        };
        let commands = self
            .follower
            .on_connected()
            .map_err(|error| Ended(format!("a command cannot be written: {error}")))?;
        for command in commands {
            if let Err(lost) = connection.send(command).await {
                self.lost(lost.reason);
                return Ok(());
            }
        }
        self.connection = Some(connection);
        self.steps.push_back(Step::Notice(Notice::Connected));
        Ok(())
    }

    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            match &event {
                Event::GoAway { after_ms, .. } => self.wait = Duration::from_millis(*after_ms),
                Event::Refused { refusal, .. } if refusal.temporary => {
                    // Asked again on the next connection, which may lead to a healthier node.
                    self.lost(refusal.to_string());
                    continue;
                }
                Event::Refused { .. } => {}
                _ => self.backoff.reset(),
            }
            self.steps.push_back(Step::Event(event));
        }
    }

    fn lost(&mut self, reason: String) {
        self.connection = None;
        self.wait = self.wait.max(self.backoff.next((self.random)()));
        let wait = self.wait;
        self.steps.push_back(Step::Notice(Notice::Lost { reason, wait }));
    }
}

#[cfg(test)]
mod tests;
