//! The newest progress of one job that was not written yet. Handlers put, the attempt takes: that way a
//! report never waits for the backend, and what comes too fast is coalesced.

use parking_lot::Mutex;
use tidegate_shared::job::Progress;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Reports {
    pending: Mutex<Option<Progress>>,
    put: Notify,
}

impl Reports {
    /// What the report does not say stays as it was.
    pub(crate) fn put(&self, newer: Progress) {
        {
            let mut pending = self.pending.lock();
            *pending = Some(match pending.take() {
                Some(older) => merge(older, newer),
                None => newer,
            });
        }
        self.put.notify_one();
    }

    /// A report that could not be written, unless there is something newer.
    pub(crate) fn put_back(&self, older: Progress) {
        let mut pending = self.pending.lock();
        *pending = Some(match pending.take() {
            Some(newer) => merge(older, newer),
            None => older,
        });
    }

    pub(crate) fn take(&self) -> Option<Progress> {
        self.pending.lock().take()
    }

    /// Resolves when there is something to take. Cancel-safe.
    pub(crate) async fn pending(&self) {
        while self.pending.lock().is_none() {
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

    #[test]
    fn the_newest_of_each_part_wins() {
        let reports = Reports::default();
        reports.put(progress(Some(10.0), Some("a")));
        reports.put(progress(None, Some("b")));
        assert_eq!(reports.take(), Some(progress(Some(10.0), Some("b"))));
        assert_eq!(reports.take(), None);
    }

    #[test]
    fn a_report_put_back_does_not_hide_a_newer_one() {
        let reports = Reports::default();
        reports.put(progress(Some(20.0), None));
        reports.put_back(progress(Some(10.0), Some("old")));
        assert_eq!(reports.take(), Some(progress(Some(20.0), Some("old"))));
    }
}
