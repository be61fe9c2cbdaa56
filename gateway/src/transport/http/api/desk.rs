//! What operators ask about jobs and queues: lists, attempts, retrying by hand, pausing.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::{Attempted, Cursor, JobFilter, JobRecord, JobState, QueueInfo, SHELF_LIMIT, list};
use tidegate_shared::name::QueueName;

use super::jobs::{Named, id};
use super::{Api, answer};
use crate::transport::http::Problem;

/// Jobs on a page unless the request says otherwise.
const PAGE: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    queue: Option<QueueName>,
    /// A state, or `dead`, which is the same as `failed`.
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The part of the path that names a queue.
#[derive(Debug, Deserialize)]
pub(super) struct NamedQueue {
    queue: QueueName,
}

#[derive(Debug, Serialize)]
struct Listed {
    jobs: Vec<JobRecord>,
    /// For the next page; null at the end.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Attempts {
    attempts: Vec<Attempted>,
}

#[derive(Debug, Serialize)]
struct Queues {
    queues: Vec<QueueInfo>,
}

pub(super) async fn jobs(
    State(api): State<Arc<Api>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(filter) = filter.map_err(|error| Problem::bad_request(error.body_text()))?;
    let state = filter.state.as_deref().map(state).transpose()?;
    let cursor = cursor(filter.cursor)?;
    let limit = filter.limit.unwrap_or(PAGE).clamp(1, SHELF_LIMIT);
    let filter = JobFilter {
        queue: filter.queue,
        state,
    };
    let page = list(&*api.backend.desk, &filter, cursor.as_ref(), limit).await?;
    let listed = Listed {
        jobs: page.jobs,
        next: page.next.map(|cursor| cursor.to_string()),
    };
    answer(StatusCode::OK, &listed)
}

pub(super) fn cursor(text: Option<String>) -> Result<Option<Cursor>, Problem> {
    let unknown = || Problem::bad_request("`cursor` is none that a page of jobs gave as `next`");
    text.map(|text| Cursor::parse(&text).ok_or_else(unknown))
        .transpose()
}

pub(super) fn state(name: &str) -> Result<JobState, Problem> {
    let states = [
        JobState::Scheduled,
        JobState::Queued,
        JobState::Running,
        JobState::Retrying,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
    ];
    if name == "dead" {
        return Ok(JobState::Failed);
    }
    states
        .into_iter()
        .find(|state| state.name() == name)
        .ok_or_else(|| {
            let names = states.map(JobState::name).join(", ");
            Problem::bad_request(format!("`state`: it must be one of {names}, dead"))
        })
}

pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Response, Problem> {
    let record = api.backend.desk.redrive(&id(named)?).await?;
    api.gate.node().redriven(&record);
    answer(StatusCode::OK, &record)
}

pub(super) async fn attempts(
    State(api): State<Arc<Api>>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Response, Problem> {
    let attempts = api.backend.desk.attempts(&id(named)?).await?;
    answer(StatusCode::OK, &Attempts { attempts })
}

pub(super) async fn queues(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let queues = api.backend.desk.queues().await?;
    answer(StatusCode::OK, &Queues { queues })
}

pub(super) async fn pause(
    State(api): State<Arc<Api>>,
    named: Result<Path<NamedQueue>, PathRejection>,
) -> Result<Response, Problem> {
    let queue = queue(named)?;
    api.backend.desk.pause(&queue).await?;
    queues(State(api)).await
}

pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    named: Result<Path<NamedQueue>, PathRejection>,
) -> Result<Response, Problem> {
    let queue = queue(named)?;
    api.backend.desk.resume(&queue).await?;
    queues(State(api)).await
}

fn queue(named: Result<Path<NamedQueue>, PathRejection>) -> Result<QueueName, Problem> {
    let queue = named.ok().map(|Path(named)| named.queue);
    queue.ok_or_else(|| Problem::new(ErrorCode::NotFound, "no queue can have this name"))
}
