//! How far a backup has come, and when to say so.

use std::time::{Duration, Instant};

use serde::Serialize;
use tidegate_shared::job::Percent;
use tokio_util::sync::CancellationToken;

use crate::failure::Stopped;

/// The SDK lets ten reports a second through; making more texts than that would be wasted.
const INTERVAL: Duration = Duration::from_millis(50);

/// The typed progress of a backup. Bytes are those of the files' contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BackupProgress {
    pub bytes_done: u64,
    pub bytes_total: u64,
    pub files_done: u64,
    pub files_total: u64,
}

/// What is said: without a percentage while counting.
pub(crate) type Report<'a> = &'a (dyn Fn(Option<f64>, String, BackupProgress) + 'a);

pub(crate) struct Meter<'a> {
    progress: BackupProgress,
    counting: bool,
    said: Option<Instant>,
    report: Report<'a>,
    stop: &'a CancellationToken,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(report: Report<'a>, stop: &'a CancellationToken) -> Self {
        Self {
            progress: BackupProgress::default(),
            counting: true,
            said: None,
            report,
            stop,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.stop.is_cancelled() {
            Err(Stopped)
        } else {
            Ok(())
        }
    }

    pub(crate) fn found(&mut self, bytes: u64) {
        self.progress.files_total += 1;
        self.progress.bytes_total = self.progress.bytes_total.saturating_add(bytes);
        self.say(false);
    }

    /// All is found; from now on it is done.
    pub(crate) fn counted(&mut self) {
        self.counting = false;
        self.say(true);
    }

    pub(crate) fn bytes(&mut self, bytes: u64) {
        let progress = &mut self.progress;
        progress.bytes_done += bytes;
        // Files may have grown since they were counted.
        progress.bytes_total = progress.bytes_total.max(progress.bytes_done);
        self.say(false);
    }

    pub(crate) fn file(&mut self) {
        let progress = &mut self.progress;
        progress.files_done += 1;
        progress.files_total = progress.files_total.max(progress.files_done);
        self.say(false);
    }

    /// Everything is done: what was found and is not done is no longer there.
    pub(crate) fn done(&mut self) -> u64 {
        self.progress.bytes_total = self.progress.bytes_done;
        self.progress.files_total = self.progress.files_done;
        self.say(true);
        self.progress.files_done
    }

    fn say(&mut self, always: bool) {
        if !always && self.said.is_some_and(|said| said.elapsed() < INTERVAL) {
            return;
        }
        self.said = Some(Instant::now());
        let p = self.progress;
        if self.counting {
            let message = format!("counting: {} files, {}", p.files_total, size(p.bytes_total));
            (self.report)(None, message, p);
            return;
        }
        let percent = if p.bytes_total > 0 {
            Percent::of(p.bytes_done, p.bytes_total)
        } else {
            Percent::of(p.files_done, p.files_total)
        };
        (self.report)(Some(percent.get()), sentence(p), p);
    }
}

fn sentence(p: BackupProgress) -> String {
    let (done, total, unit) = in_unit_of(p.bytes_done, p.bytes_total);
    format!(
        "{done} of {total} {unit}, {} of {} files",
        p.files_done, p.files_total
    )
}

pub(crate) fn size(bytes: u64) -> String {
    let (_, total, unit) = in_unit_of(bytes, bytes);
    format!("{total} {unit}")
}

/// Both numbers in the unit that suits the second.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn in_unit_of(done: u64, total: u64) -> (String, String, &'static str) {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if total < 1024 {
        return (done.to_string(), total.to_string(), "B");
    }
    let (mut scale, mut unit) = (1024_u64, 0);
    while unit + 1 < UNITS.len() && total / scale >= 1024 {
        scale *= 1024;
        unit += 1;
    }
    let text = |bytes: u64| format!("{:.1}", bytes as f64 / scale as f64);
    (text(done), text(total), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_message_has_one_unit_for_both_sizes() {
        let message = sentence(BackupProgress {
            bytes_done: 3_355_443,
            bytes_total: 10_905_190,
            files_done: 120,
            files_total: 400,
        });
        assert_eq!(message, "3.2 of 10.4 MiB, 120 of 400 files");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(u64::MAX), "16384.0 PiB");
    }

    #[test]
    fn the_end_is_100_percent_of_what_was_there_in_the_end() {
        let said = RefCell::new(Vec::new());
        let report = |percent, _, progress| said.borrow_mut().push((percent, progress));
        let stop = CancellationToken::new();
        let mut meter = Meter::new(&report, &stop);
        meter.found(100);
        meter.found(50);
        meter.counted();
        meter.bytes(120);
        meter.file();
        assert_eq!(meter.done(), 1);
        let (percent, progress) = said.borrow().last().copied().expect("a report");
        assert_eq!(percent, Some(100.0));
        assert_eq!((progress.bytes_total, progress.files_total), (120, 1));
    }
}
