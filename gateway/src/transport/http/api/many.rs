//! `POST /api/jobs/cancel`, `retry` and `purge`: many jobs of a queue with one request, a page at a time.
//!
//! A queue must be named, so that an empty object does nothing. What ends or changes meanwhile is left out.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tidegate_shared::job::{Cursor, JobError, JobFilter, JobPage, JobState, SHELF_LIMIT, list};
use tidegate_shared::name::QueueName;

use super::desk::{cursor, state};
use super::{Api, answer};
use crate::transport::http::{Problem, body};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    queue: QueueName,
    /// All that have not ended, unless it is named.
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    queue: QueueName,
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    queue: QueueName,
    state: String,
    /// How long ago they have ended, at least.
    #[serde(default)]
    older_than_ms: u64,
}

#[derive(Debug, Serialize)]
struct Done {
    /// How many it was done to.
    jobs: usize,
    /// Where to go on, with the same request and this as `cursor`; null at the end.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Purged {
    jobs: usize,
    /// There may be others: ask again.
    more: bool,
}

pub(super) async fn cancel(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let Cancel {
        queue,
        state: named,
        cursor: after,
    } = body::read(request, api.body).await?;
    let named = named.as_deref().map(state).transpose()?;
    if let Some(over) = named.filter(|state| state.is_terminal()) {
        let message = format!("`state`: jobs that are {over} have ended and cannot be cancelled");
        return Err(Problem::bad_request(message));
    }
    let page = page(&api, queue, named, after).await?;
    let mut jobs = 0;
    let mut over = false;
    for record in &page.jobs {
        // Those that have ended come last.
        if record.state.is_terminal() {
            over = true;
            break;
        }
        let cancelled = api.backend.jobs.cancel(&record.id).await;
        jobs += usize::from(done(
            cancelled.map(|now| now.cancelling || now.state == JobState::Cancelled),
        )?);
    }
    let next = page.next.filter(|_| !over);
    answered(jobs, next)
}

pub(super) async fn retry(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let Retry { queue, cursor } = body::read(request, api.body).await?;
    let page = page(&api, queue, Some(JobState::Failed), cursor).await?;
    let mut jobs = 0;
    for record in &page.jobs {
        let redriven = api.backend.desk.redrive(&record.id).await;
        if let Ok(record) = &redriven {
            api.gate.node().redriven(record);
        }
        jobs += usize::from(done(redriven.map(|_| true))?);
    }
    answered(jobs, page.next)
}

pub(super) async fn purge(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let Purge {
        queue,
        state: named,
        older_than_ms,
    } = body::read(request, api.body).await?;
    let ended = state(&named)?;
    if !ended.is_terminal() {
        let message =
            format!("`state`: jobs that are {ended} have not ended, so they are not to be forgotten");
        return Err(Problem::bad_request(message));
    }
    let ago = Duration::from_millis(older_than_ms);
    let jobs = api.backend.desk.purge(&queue, ended, ago).await?;
    let more = jobs >= SHELF_LIMIT;
    answer(StatusCode::OK, &Purged { jobs, more })
}

async fn page(
    api: &Api,
    queue: QueueName,
    state: Option<JobState>,
    after: Option<String>,
) -> Result<JobPage, Problem> {
    let after = cursor(after)?;
    let filter = JobFilter {
        queue: Some(queue),
        state,
    };
    Ok(list(&*api.backend.desk, &filter, after.as_ref(), SHELF_LIMIT).await?)
}

/// Whether it was done; not if the job has gone another way meanwhile.
fn done(result: Result<bool, JobError>) -> Result<bool, JobError> {
    match result {
        Err(JobError::NotFound(_) | JobError::NotDead(_)) => Ok(false),
        other => other,
    }
}

fn answered(jobs: usize, next: Option<Cursor>) -> Result<Response, Problem> {
    let next = next.map(|cursor| cursor.to_string());
    answer(StatusCode::OK, &Done { jobs, next })
}
