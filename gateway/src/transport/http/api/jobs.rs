//! `POST /api/jobs`, `GET` and `DELETE /api/jobs/{id}`, and its events.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State, rejection::PathRejection};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::job::{ATTEMPTS_LIMIT, Concurrency, JobDraft, JobId, Priority, TIME_LIMIT};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{IdempotencyKey, JobType, QueueName, UserId};
use tidegate_shared::topic::Topic;
use tidegate_shared::trace::Kind;

use super::{Api, Keyed, LOCATION, answer};
use crate::connection::wanted;
use crate::steps;
use crate::transport::http::headers::traceparent;
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
    #[serde(default, deserialize_with = "time")]
    delay_ms: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    timeout_ms: Option<Duration>,
    #[serde(default, deserialize_with = "attempts")]
    max_attempts: Option<u32>,
    #[serde(default)]
    concurrency: Option<Concurrency>,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let time = Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis);
    if time.is_some_and(|time| time > TIME_LIMIT) {
        let most = TIME_LIMIT.as_millis();
        return Err(D::Error::custom(format_args!("at most {most} are possible")));
    }
    Ok(time)
}

fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = Option::<u32>::deserialize(deserializer)?;
    if number.is_some_and(|number| !(1..=ATTEMPTS_LIMIT).contains(&number)) {
        return Err(D::Error::custom(format_args!(
            "1 to {ATTEMPTS_LIMIT} are possible"
        )));
    }
    Ok(number)
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
    fn check(&self, api: &Api) -> Result<(), Problem> {
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
            delay: self.delay_ms.unwrap_or_default(),
            timeout: self.timeout_ms,
            max_attempts: self.max_attempts,
            concurrency: self.concurrency,
            ..JobDraft::new(&queue, self.kind, self.data)
        })
    }
}

pub(super) async fn submit(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let trace = traceparent(request.headers());
    let submit: Submit = body::read(request, api.body).await?;
    submit.check(&api)?;
    let mut draft = submit.into_draft()?;
    let node = api.gate.node();
    let span = steps::submit(node.tracer.begin("submit", Kind::Producer, trace), &mut draft);
    let submitted = node.submit(draft).await?;
    drop(span);
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

/// 200 if it is cancelled, 202 if its worker was asked to end it.
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Response, Problem> {
    let record = api.backend.jobs.cancel(&id(named)?).await?;
    let record = wanted(record).map_err(|failure| Problem::new(failure.code, failure.message))?;
    let status = if record.state.is_terminal() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    answer(status, &record)
}

/// `GET /api/jobs/{id}/events`.
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    named: Result<Path<Named>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let id = id(named)?;
    let topic = Topic::of_job(&id);
    if request.extensions().get::<Keyed>().is_none() {
        return Ok(sse::for_client(&api.gate, request, Some(topic)).await);
    }
    api.backend.jobs.get(&id).await?;
    sse::respond(&api.gate, sse::Who::Backend, vec![topic], &request)
}

/// Whether a client without a key may ask for this.
pub(super) fn is_for_clients(request: &Request) -> bool {
    let job = request.uri().path().strip_prefix("/api/jobs/");
    let job = job.and_then(|rest| rest.strip_suffix("/events"));
    request.method() == Method::GET && job.is_some_and(|job| JobId::parse(job).is_ok())
}

pub(super) fn id(named: Result<Path<Named>, PathRejection>) -> Result<JobId, Problem> {
    let id = named.ok().and_then(|Path(named)| JobId::parse(&named.id).ok());
    id.ok_or_else(|| {
        Problem::new(
            ErrorCode::NotFound,
            "no job has this id: ids look like `default.0.` and 32 hexadecimal digits",
        )
    })
}
