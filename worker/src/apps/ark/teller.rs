//! What is told of an instance while a job works on it: in order, without holding up the work.

use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_shared::job::LogLevel;
use tokio::sync::mpsc;

use super::instance::{self, NewLine};
use super::kind::Status;
use super::places::Places;
use crate::topics::Topics;

/// So much may wait to be told. What comes faster is left out, and a line says how much.
const WAITING: usize = 256;

/// The side of the work.
#[derive(Debug)]
pub(super) struct Teller {
    to: mpsc::Sender<News>,
    left_out: AtomicU64,
}

#[derive(Debug)]
pub(super) enum News {
    Line(LogLevel, String),
    Status(Status),
}

impl Teller {
    pub(super) fn new() -> (Self, mpsc::Receiver<News>) {
        let (to, told) = mpsc::channel(WAITING);
        let left_out = AtomicU64::new(0);
        (Self { to, left_out }, told)
    }

    pub(super) fn line(&self, level: LogLevel, message: &str) {
        let missing = self.left_out.load(Ordering::Relaxed);
        if missing > 0 {
            let text = format!("{missing} lines were left out");
            if self.to.try_send(News::Line(LogLevel::Warn, text)).is_ok() {
                self.left_out.fetch_sub(missing, Ordering::Relaxed);
            }
        }
        if self.to.try_send(News::Line(level, message.to_owned())).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is told when there is room; a status that is out of date by then is of no use to anyone.
    pub(super) fn status(&self, status: Status) {
        if self.to.try_send(News::Status(status)).is_err() {
            tracing::debug!(?status, "there is too much to tell: a status is left out");
        }
    }
}

/// Tells all there is to tell, until the other end is gone. Without an instance there is nobody to tell of.
pub(super) async fn tell(
    places: &Places,
    topics: &Topics,
    instance: Option<&str>,
    mut news: mpsc::Receiver<News>,
) {
    while let Some(one) = news.recv().await {
        let Some(id) = instance else { continue };
        let told = match one {
            News::Status(status) => instance::set_status(places, topics, id, status).await,
            News::Line(level, message) => {
                let line = NewLine {
                    timestamp: None,
                    level: Some(named(level).to_owned()),
                    message,
                };
                instance::log(places, topics, id, line).await
            }
        };
        if let Err(error) = told {
            tracing::debug!("what an instance does could not be told: {error}");
        }
    }
}

fn named(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warn => "WARN",
        LogLevel::Error => "ERROR",
    }
}
