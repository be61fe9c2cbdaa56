//! `GET` and `POST /api/schedules`, and `DELETE /api/schedules/{name}`.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::{Planned, Schedule};
use tidegate_shared::name::ScheduleName;

use super::{Api, answer};
use crate::transport::http::{Problem, body};

#[derive(Debug, Serialize)]
struct Listed {
    schedules: Vec<Planned>,
}

#[derive(Debug, Serialize)]
struct Removed {
    name: ScheduleName,
}

/// The part of the path that names a schedule.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    name: ScheduleName,
}

pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let schedules = api.backend.schedules.list().await?;
    answer(StatusCode::OK, &Listed { schedules })
}

pub(super) async fn put(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let mut schedule: Schedule = body::read(request, api.body).await?;
    // That is for workers to say.
    schedule.from_file = false;
    let (size, limit) = (schedule.job.data.size(), api.job_data);
    if size > limit {
        return Err(Problem::new(
            ErrorCode::PayloadTooLarge,
            format!("`job.data` has {size} bytes, at most {limit} are allowed in a job"),
        ));
    }
    let planned = api.backend.schedules.put(schedule).await?;
    answer(StatusCode::OK, &planned)
}

pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Response, Problem> {
    let unknown = || Problem::new(ErrorCode::NotFound, "no schedule has this name");
    let Path(Named { name }) = named.map_err(|_| unknown())?;
    if !api.backend.schedules.remove(&name).await? {
        return Err(unknown());
    }
    answer(StatusCode::OK, &Removed { name })
}
