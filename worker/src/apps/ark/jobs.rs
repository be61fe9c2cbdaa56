//! The jobs of a control plane as its REST clients see them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tidegate_shared::feed;
use tidegate_shared::iso;
use tidegate_shared::job::{
    Concurrency, JobDraft, JobError, JobFilter, JobId, JobRecord, JobState, Percent, Priority,
};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{ConcurrencyKey, JobType, UserId};

use super::error::ArkError;
use super::instance::{self, shown};
use super::kind::Kind;
use super::places::Places;
use crate::topics::Topics;

/// Most jobs that one answer lists, and how many are looked at for it.
const LISTED: usize = 1_000;
const PAGES: usize = 16;
/// The states of jobs that have not ended.
const UNDER_WAY: [JobState; 4] = [
    JobState::Running,
    JobState::Queued,
    JobState::Retrying,
    JobState::Scheduled,
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewJob {
    job_type: String,
    #[serde(default)]
    instance_id: Option<String>,
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
    /// 0 unless given; higher first.
    #[serde(default)]
    priority: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) status: Option<String>,
    pub(super) instance: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) limit: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobView {
    job_id: String,
    job_run_id: String,
    job_type: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<String>,
    /// Only told to who has submitted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Map<String, Value>>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<RawJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    retry_count: u32,
    progress_percent: f64,
    progress_message: String,
}

impl JobView {
    fn of(job: &JobRecord) -> Self {
        let waits = job.state == JobState::Queued && job.attempt == 0;
        let message = job.message.clone();
        Self {
            job_id: feed::job_id(job),
            job_run_id: feed::run_id(job),
            job_type: job.kind.as_str().to_owned(),
            status: feed::status(job),
            instance_id: feed::instance_id(job).map(str::to_owned),
            parameters: None,
            created_at: iso::time(job.created_at),
            started_at: job.started_at.map(iso::time),
            completed_at: job.finished_at.map(iso::time),
            result: job.result.clone(),
            error: job.error.clone(),
            retry_count: job.attempt.saturating_sub(1),
            progress_percent: job.percent.map_or(0.0, Percent::get),
            progress_message: message
                .unwrap_or_else(|| if waits { "Job queued".into() } else { String::new() }),
        }
    }
}

pub(super) async fn create(
    places: &Places,
    topics: &Topics,
    new: NewJob,
    user: Option<UserId>,
) -> Result<JobView, ArkError> {
    let Some(kind) = Kind::named(&new.job_type) else {
        let names = Kind::ALL.map(Kind::name).join(", ");
        return Err(ArkError::Wrong(format!("jobType must be one of {names}")));
    };
    let concurrency = match new.instance_id.as_deref() {
        Some(id) => {
            instance::find(places, topics, id).await?;
            one_at_a_time(id)?
        }
        None if kind.needs_instance() => {
            return Err(ArkError::Wrong(format!("{} needs an instanceId", kind.name())));
        }
        None => None,
    };
    let parameters = new.parameters.unwrap_or_default();
    let data = json!({ "instanceId": new.instance_id, "parameters": &parameters });
    let wrong = |error: &dyn std::fmt::Display| ArkError::Wrong(error.to_string());
    let data = RawJson::of(&data).map_err(|error| wrong(&error))?;
    let kind = JobType::parse(kind.name()).map_err(|error| wrong(&error))?;
    let draft = JobDraft {
        priority: priority(new.priority),
        user,
        concurrency,
        ..JobDraft::new(&places.queue, kind, data)
    };
    let submitted = topics.submit(draft).await?;
    Ok(JobView {
        parameters: Some(parameters),
        ..JobView::of(&submitted.record)
    })
}

/// Jobs of one instance do not run together.
fn one_at_a_time(id: &str) -> Result<Option<Concurrency>, ArkError> {
    let key = ConcurrencyKey::parse(&format!("{}{id}", feed::INSTANCE));
    let key = key.map_err(|error| ArkError::Wrong(error.to_string()))?;
    Ok(Concurrency::new(key, 1))
}

/// 0 is the usual one.
fn priority(given: Option<i64>) -> Priority {
    let usual = i64::from(Priority::default().get());
    let wanted = usual
        .saturating_add(given.unwrap_or(0))
        .clamp(0, i64::from(Priority::HIGHEST));
    u64::try_from(wanted)
        .ok()
        .and_then(Priority::new)
        .unwrap_or_default()
}

pub(super) async fn find(places: &Places, topics: &Topics, id: &str) -> Result<JobView, ArkError> {
    let found = topics.job(&parse(places, id)?).await;
    found
        .map(|job| JobView::of(&job))
        .map_err(|error| unknown(error, id))
}

pub(super) async fn cancel(places: &Places, topics: &Topics, id: &str) -> Result<JobView, ArkError> {
    let cancelled = topics.cancel(&parse(places, id)?).await;
    cancelled
        .map(|job| JobView::of(&job))
        .map_err(|error| unknown(error, id))
}

fn unknown(error: JobError, id: &str) -> ArkError {
    match error {
        JobError::NotFound(_) => ArkError::Unknown("Job", shown(id)),
        error => ArkError::Job(error),
    }
}

/// A job's id as events have it, or as Tidegate has it.
fn parse(places: &Places, id: &str) -> Result<JobId, ArkError> {
    let digits = id.replace('-', "").to_lowercase();
    let spelled = [id.to_owned(), format!("{}.0.{digits}", places.queue)];
    let mut found = spelled.iter().filter_map(|text| JobId::parse(text).ok());
    let ours = found.find(|found| found.queue() == places.queue.as_str());
    ours.ok_or_else(|| ArkError::Unknown("Job", shown(id)))
}

pub(super) async fn list(
    places: &Places,
    topics: &Topics,
    wanted: &Wanted,
) -> Result<Vec<JobView>, ArkError> {
    let limit = wanted.limit.clamp(1, LISTED);
    let fits = |job: &JobRecord| {
        let status = wanted.status.as_deref();
        let instance = wanted.instance.as_deref();
        let kind = wanted.kind.as_deref();
        status.is_none_or(|status| status == feed::status(job))
            && instance.is_none_or(|id| feed::instance_id(job) == Some(id))
            && kind.is_none_or(|kind| kind == job.kind.as_str())
    };
    let mut views = Vec::new();
    let mut after = None;
    for _ in 0..PAGES {
        let page = topics.jobs(&filter(places, None), after.as_ref(), LISTED).await?;
        views.extend(page.jobs.iter().filter(|job| fits(job)).map(JobView::of));
        after = page.next;
        if views.len() >= limit || after.is_none() {
            break;
        }
    }
    views.truncate(limit);
    Ok(views)
}

/// Whether some job of an instance has not ended.
pub(super) async fn is_busy(places: &Places, topics: &Topics, instance: &str) -> Result<bool, ArkError> {
    for state in UNDER_WAY {
        let mut after = None;
        for _ in 0..PAGES {
            let page = topics
                .jobs(&filter(places, Some(state)), after.as_ref(), LISTED)
                .await?;
            if page
                .jobs
                .iter()
                .any(|job| feed::instance_id(job) == Some(instance))
            {
                return Ok(true);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(false)
}

fn filter(places: &Places, state: Option<JobState>) -> JobFilter {
    JobFilter {
        queue: Some(places.queue.clone()),
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_goes_by_its_uuid_and_by_its_own_id() {
        let places = Places::new().expect("names");
        let own = "ark.0.550e8400e29b41d4a716446655440000";
        for id in [
            "550e8400-e29b-41d4-a716-446655440000",
            "550E8400E29B41D4A716446655440000",
            own,
        ] {
            assert_eq!(parse(&places, id).expect("an id").as_str(), own);
        }
        for id in ["", "job-1", "default.0.550e8400e29b41d4a716446655440000"] {
            assert!(parse(&places, id).is_err(), "{id}");
        }
    }

    #[test]
    fn priority_0_is_the_usual_one_and_none_is_too_high() {
        let of = |given| priority(given).get();
        assert_eq!(
            (
                of(None),
                of(Some(0)),
                of(Some(2)),
                of(Some(i64::MAX)),
                of(Some(-9))
            ),
            (5, 5, 7, 9, 0)
        );
    }
}
