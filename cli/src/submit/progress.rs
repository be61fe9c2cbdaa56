//! A job's progress on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::record::Record;
use crate::output::plain;

/// The bar counts hundredths of a percent.
const FULL: u64 = 10_000;

/// A job's progress bar, on standard error.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(FULL), ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {prefix:>7} [{bar:32}] {elapsed} {wide_msg}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    pub(super) fn show(&self, record: &Record) {
        if let Some(percent) = record.percent {
            self.0.set_position(hundredths(percent));
            self.0.set_prefix(format!("{percent:.1} %"));
        }
        self.0.set_message(plain(&message(record)));
    }

    /// Leaves the last state on the screen.
    pub(super) fn end(&self, record: &Record) {
        let took = record
            .took()
            .map_or_else(String::new, |took| format!(" in {:.1} s", took.as_secs_f64()));
        let mut text = format!("{} {}{took}", record.kind, record.state);
        if let Some(error) = &record.error {
            text = format!("{text}: {error}");
        }
        // A bar that ends is drawn once more, cut to the width of the terminal; an error is not to be cut.
        self.0.finish_and_clear();
        eprintln!("{}", plain(&text));
    }

    pub(super) fn notice(&self, text: &str) {
        self.0.suspend(|| eprintln!("tidegate: {text}"));
    }

    /// Lines of the job's log, above the bar.
    pub(super) fn log(&self, lines: &[String]) {
        self.0.suspend(|| {
            for line in lines {
                eprintln!("{line}");
            }
        });
    }

    pub(super) fn leave(&self) {
        self.0.abandon();
    }
}

fn message(record: &Record) -> String {
    let attempt = if record.attempt > 1 {
        format!(" (attempt {})", record.attempt)
    } else {
        String::new()
    };
    match &record.message {
        Some(message) if record.state == "running" => format!("{message}{attempt}"),
        _ => format!("{} {}{attempt}", record.kind, record.state),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 10,000 after the clamp; what is no number becomes 0"
)]
fn hundredths(percent: f64) -> u64 {
    (percent.clamp(0.0, 100.0) * 100.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        serde_json::from_str(text).expect("a record")
    }

    #[test]
    fn the_bar_says_what_the_job_does_and_which_attempt_it_is() {
        let first = r#"{"id":"q.0.1","type":"backup","state":"running","attempt":1,"message":"a.txt"}"#;
        assert_eq!(message(&record(first)), "a.txt");
        let second = r#"{"id":"q.0.1","type":"backup","state":"running","attempt":2}"#;
        assert_eq!(message(&record(second)), "backup running (attempt 2)");
        let queued = r#"{"id":"q.0.1","type":"backup","state":"queued","message":"a.txt"}"#;
        assert_eq!(message(&record(queued)), "backup queued");
    }

    #[test]
    fn a_percentage_out_of_range_does_not_break_the_bar() {
        assert_eq!(
            [-1.0, 0.0, 33.333, 100.0, 1e9].map(hundredths),
            [0, 0, 3_333, FULL, FULL]
        );
        assert_eq!(hundredths(f64::NAN), 0);
    }
}
