//! One attempt at a job, as its handler's [`Context`](crate::Context) and the [`Runner`](super::Runner)
//! share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_shared::backend::Backend;
use tidegate_shared::job::{DETAIL_LIMIT, JobRecord};
use tidegate_shared::json::RawJson;

use super::lease::Hold;
use super::reports::Reports;

pub(crate) struct Attempt {
    /// As the claim gave it.
    pub(crate) record: JobRecord,
    pub(crate) hold: Arc<Hold>,
    pub(crate) reports: Reports,
    pub(crate) backend: Backend,
    /// What an earlier attempt left.
    pub(crate) checkpoint: Option<RawJson>,
    /// It was logged that typed progress is left out.
    warned: AtomicBool,
}

impl Attempt {
    pub(crate) fn new(
        record: JobRecord,
        hold: Arc<Hold>,
        backend: Backend,
        checkpoint: Option<RawJson>,
    ) -> Self {
        Self {
            record,
            hold,
            reports: Reports::default(),
            backend,
            checkpoint,
            warned: AtomicBool::new(false),
        }
    }

    /// Typed progress if it can be reported. Reporting never fails a handler, so what cannot is left
    /// out, and logged once for each attempt.
    pub(crate) fn detail(&self, detail: Result<RawJson, serde_json::Error>) -> Option<RawJson> {
        let why = match detail {
            Ok(detail) if detail.size() <= DETAIL_LIMIT => return Some(detail),
            Ok(detail) => format!(
                "it has {} bytes, at most {DETAIL_LIMIT} are allowed",
                detail.size()
            ),
            Err(error) => error.to_string(),
        };
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(job = %self.record.id, kind = %self.record.kind, "typed progress is left out: {why}");
        }
        None
    }
}
