//! `POST /api/jobs`, `GET /api/jobs/{id}` and its events.

use std::sync::Arc;

use axum::extract::{Path, Request, State, rejection::PathRejection};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::{JobDraft, JobId, Priority};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{IdempotencyKey, JobType, QueueName, UserId};
use tidegate_shared::topic::Topic;

use super::{Api, LOCATION, answer};
use crate::transport::http::{Problem, body};
use crate::transport::sse;

/// The queue of a job that names none.
const DEFAULT_QUEUE: &str = "default";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Submit {
    #[serde(rename = "type")]
    kind: JobType,
    data: RawJson,
    #[serde(default)]
    queue: Option<QueueName>,
    #[serde(default)]
    key: Option<IdempotencyKey>,
    #[serde(default, deserialize_with = "priority")]
    priority: Priority,
    #[serde(default)]
    user: Option<UserId>,
    // Known by name, so that a caller who relies on them is told instead of served otherwise.
    #[serde(default)]
    delay_ms: Option<IgnoredAny>,
    #[serde(default)]
    timeout_ms: Option<IgnoredAny>,
    #[serde(default)]
    max_attempts: Option<IgnoredAny>,
}

/// `null` counts as absent, as with the other optional fields.
fn priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Priority, D::Error> {
    let Some(value) = Option::<u64>::deserialize(deserializer)? else {
        return Ok(Priority::default());
    };
    Priority::new(value).ok_or_else(|| {
        let highest = Priority::HIGHEST;
        D::Error::custom(format_args!(
            "{value} is no priority: 0 to {highest} are, higher first"
        ))
    })
}

impl Submit {
    /// Refuses what this version does not do.
    fn check(&self, api: &Api) -> Result<(), Problem> {
        let absent = [
            ("delay_ms", self.delay_ms.is_some()),
            ("timeout_ms", self.timeout_ms.is_some()),
            ("max_attempts", self.max_attempts.is_some()),
        ];
        if let Some((name, _)) = absent.iter().find(|(_, given)| *given) {
            return Err(Problem::bad_request(format!(
                "this version does not have `{name}`: leave it out"
            )));
        }
        let (size, limit) = (self.data.size(), api.job_data);
        if size > limit {
            return Err(Problem::new(
                ErrorCode::PayloadTooLarge,
                format!("`data` has {size} bytes, at most {limit} are allowed in a job"),
            ));
        }
        Ok(())
    }

    fn into_draft(self) -> Result<JobDraft, Problem> {
        let queue = match self.queue {
            Some(queue) => queue,
            None => QueueName::parse(DEFAULT_QUEUE)?,
        };
        Ok(JobDraft {
            key: self.key,
            priority: self.priority,
            user: self.user,
            ..JobDraft::new(&queue, self.kind, self.data)
        })
    }
}

pub(super) async fn submit(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let submit: Submit = body::read(request, api.body).await?;
    submit.check(&api)?;
    let submitted = api.backend.jobs.submit(submit.into_draft()?).await?;
    let status = if submitted.duplicate {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let mut response = answer(status, &submitted.record)?;
    // An id consists of what a path may contain.
    if let Ok(location) = HeaderValue::try_from(format!("/api/jobs/{}", submitted.record.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// The part of the path that names a job.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    id: String,
}

pub(super) async fn get(
    State(api): State<Arc<Api>>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Response, Problem> {
    let id = id(named)?;
    let record = api.backend.jobs.get(&id).await?;
    answer(StatusCode::OK, &record)
}

/// `GET /api/jobs/{id}/events`.
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    named: Result<Path<Named>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let id = id(named)?;
    api.backend.jobs.get(&id).await?;
    sse::respond(&api.gate, None, vec![Topic::of_job(&id)], &request)
}

fn id(named: Result<Path<Named>, PathRejection>) -> Result<JobId, Problem> {
    let id = named.ok().and_then(|Path(named)| JobId::parse(&named.id).ok());
    id.ok_or_else(|| {
        Problem::new(
            ErrorCode::NotFound,
            "no job has this id: ids look like `default.0.` and 32 hexadecimal digits",
        )
    })
}
