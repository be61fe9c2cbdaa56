//! What a handler has told and was not written yet: the newest progress, and log lines. Handlers put, the
//! attempt takes: that way a report never waits for the backend, and what comes too fast is coalesced.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tidegate_shared::job::{LogLevel, LogLine, Progress};
use tokio::sync::Notify;

/// Most log lines that wait; more are left out.
const WAITING: usize = 256;
/// Most log lines in one report.
const LINES: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Reports {
    pending: Mutex<Pending>,
    put: Notify,
}

/// What is written together: the lines first.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) lines: Vec<LogLine>,
    pub(crate) progress: Option<Progress>,
}

#[derive(Debug, Default)]
struct Pending {
    progress: Option<Progress>,
    lines: VecDeque<LogLine>,
    left_out: u64,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.progress.is_none() && self.lines.is_empty()
    }

    fn take(&mut self, lines: usize) -> Report {
        let mut report = Report {
            lines: self.lines.drain(..self.lines.len().min(lines)).collect(),
            progress: self.progress.take(),
        };
        if self.left_out > 0 && self.lines.is_empty() {
            let message = format!("{} lines were left out: they came too fast", self.left_out);
            report.lines.push(LogLine::new(LogLevel::Warn, message));
            self.left_out = 0;
        }
        report
    }
}

impl Reports {
    /// What the report does not say stays as it was.
    pub(crate) fn put(&self, newer: Progress) {
        {
            let mut pending = self.pending.lock();
            pending.progress = Some(match pending.progress.take() {
                Some(older) => merge(older, newer),
                None => newer,
            });
        }
        self.put.notify_one();
    }

    /// A log line.
    pub(crate) fn write(&self, line: LogLine) {
        {
            let mut pending = self.pending.lock();
            // Once one is left out all are, until it was said, so that the gap is where it is said to be.
            if pending.lines.len() < WAITING && pending.left_out == 0 {
                pending.lines.push_back(line);
            } else {
                pending.left_out += 1;
            }
        }
        self.put.notify_one();
    }

    /// What of a report could not be written. Newer progress goes before it.
    pub(crate) fn put_back(&self, older: Report) {
        let mut pending = self.pending.lock();
        for line in older.lines.into_iter().rev() {
            pending.lines.push_front(line);
        }
        pending.progress = match (older.progress, pending.progress.take()) {
            (Some(older), Some(newer)) => Some(merge(older, newer)),
            (older, newer) => newer.or(older),
        };
    }

    /// What is to be written next, if anything is.
    pub(crate) fn take(&self) -> Option<Report> {
        let mut pending = self.pending.lock();
        (!pending.is_empty()).then(|| pending.take(LINES))
    }

    /// All that is left.
    pub(crate) fn take_all(&self) -> Report {
        self.pending.lock().take(usize::MAX)
    }

    /// Resolves when there is something to take. Cancel-safe.
    pub(crate) async fn pending(&self) {
        while self.pending.lock().is_empty() {
            self.put.notified().await;
        }
    }
}

fn merge(older: Progress, newer: Progress) -> Progress {
    Progress {
        percent: newer.percent.or(older.percent),
        message: newer.message.or(older.message),
        detail: newer.detail.or(older.detail),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_shared::job::Percent;

    use super::*;

    fn progress(percent: Option<f64>, message: Option<&str>) -> Progress {
        Progress {
            percent: percent.map(Percent::new),
            message: message.map(Into::into),
            detail: None,
        }
    }

    fn report(progress: Progress) -> Report {
        Report {
            lines: Vec::new(),
            progress: Some(progress),
        }
    }

    fn line(number: usize) -> LogLine {
        LogLine::new(LogLevel::Info, number.to_string())
    }

    #[test]
    fn the_newest_of_each_part_wins() {
        let reports = Reports::default();
        reports.put(progress(Some(10.0), Some("a")));
        reports.put(progress(None, Some("b")));
        assert_eq!(reports.take(), Some(report(progress(Some(10.0), Some("b")))));
        assert_eq!(reports.take(), None);
    }

    #[test]
    fn a_report_put_back_does_not_hide_a_newer_one() {
        let reports = Reports::default();
        reports.put(progress(Some(20.0), None));
        reports.write(line(2));
        reports.put_back(Report {
            lines: vec![line(0), line(1)],
            progress: Some(progress(Some(10.0), Some("old"))),
        });
        let expected = Report {
            lines: (0..3).map(line).collect(),
            progress: Some(progress(Some(20.0), Some("old"))),
        };
        assert_eq!(reports.take(), Some(expected));
    }

    #[test]
    fn lines_that_come_too_fast_are_counted_where_they_are_missing() {
        let reports = Reports::default();
        for number in 0..WAITING + 7 {
            reports.write(line(number));
        }
        let first = reports.take().expect("lines wait");
        assert_eq!(first.lines, (0..LINES).map(line).collect::<Vec<_>>());
        // There is room, but this one belongs behind those that are missing.
        reports.write(line(9_999));
        let rest = reports.take_all().lines;
        assert_eq!(rest.len(), WAITING - LINES + 1);
        assert_eq!(
            rest[rest.len() - 1].message,
            "8 lines were left out: they came too fast"
        );
        reports.write(line(1));
        assert_eq!(reports.take_all().lines, [line(1)]);
    }
}
