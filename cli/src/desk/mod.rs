//! `tidegate jobs` and `tidegate queues`: what operators ask and order, over the HTTP API.

mod show;
mod table;

use std::process::ExitCode;

use serde_json::{Value, json};
use tidegate_shared::job::JobId;

use crate::api::Api;
use crate::args::{Jobs, JobsCommand, Operator, Queues, QueuesCommand, Which};
use crate::failure::Failure;
use crate::output;

/// Jobs on a page of the API.
const PAGE: usize = 256;

pub(crate) async fn jobs(arguments: Jobs) -> Result<ExitCode, Failure> {
    let desk = Desk::new(&arguments.operator)?;
    match arguments.command {
        JobsCommand::List { queue, state, limit } => {
            let mut query = Vec::new();
            query.extend(queue.map(|queue| ("queue", queue.to_string())));
            query.extend(state.map(|state| ("state", state)));
            desk.list(query, limit).await?;
        }
        JobsCommand::Show { job } => {
            let record = desk.api.get(&format!("jobs/{job}"), &[]).await?;
            desk.tell(&record, show::job)?;
        }
        JobsCommand::Why { job } => desk.why(&job).await?,
        JobsCommand::Cancel(which) => match which.job {
            Some(job) => {
                let record = desk.api.delete(&format!("jobs/{job}")).await?;
                desk.tell(&record, show::job)?;
            }
            None => {
                desk.many("cancel", "cancelled, or told to end", filter(&which))
                    .await?;
            }
        },
        JobsCommand::Retry { job, queue } => match job {
            Some(job) => {
                let record = desk.api.post(&format!("jobs/{job}/retry"), &json!({})).await?;
                desk.tell(&record, show::job)?;
            }
            None => {
                desk.many("retry", "queued again", json!({"queue": queue}))
                    .await?;
            }
        },
        JobsCommand::Purge {
            queue,
            state,
            older_than,
        } => {
            let ago = u64::try_from(older_than.as_millis()).unwrap_or(u64::MAX);
            let body = json!({"queue": queue, "state": state, "older_than_ms": ago});
            desk.many("purge", "forgotten", body).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn queues(arguments: Queues) -> Result<ExitCode, Failure> {
    let desk = Desk::new(&arguments.operator)?;
    let document = match arguments.command {
        None => desk.api.get("queues", &[]).await?,
        Some(QueuesCommand::Pause { queue }) => {
            desk.api
                .post(&format!("queues/{queue}/pause"), &json!({}))
                .await?
        }
        Some(QueuesCommand::Resume { queue }) => {
            desk.api
                .post(&format!("queues/{queue}/resume"), &json!({}))
                .await?
        }
    };
    desk.tell(&document, show::queues)?;
    Ok(ExitCode::SUCCESS)
}

fn filter(which: &Which) -> Value {
    let mut body = json!({"queue": which.queue});
    if let Some(state) = &which.state {
        body["state"] = json!(state);
    }
    body
}

struct Desk {
    api: Api,
    /// For eyes, not for a program.
    readable: bool,
}

impl Desk {
    fn new(operator: &Operator) -> Result<Self, Failure> {
        Ok(Self {
            api: Api::new(&operator.url, operator.api_key.as_deref())?,
            readable: output::is_readable() && !operator.json,
        })
    }

    fn tell(&self, document: &Value, show: fn(&Value) -> Result<(), Failure>) -> Result<(), Failure> {
        if self.readable {
            return show(document);
        }
        output::line(&document.to_string())
    }

    /// Pages until there are `limit` jobs.
    async fn list(&self, query: Vec<(&str, String)>, limit: usize) -> Result<(), Failure> {
        let mut jobs: Vec<Value> = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut query = query.clone();
            let left = limit - jobs.len();
            query.push(("limit", left.min(PAGE).to_string()));
            query.extend(next.take().map(|cursor| ("cursor", cursor)));
            let mut page = self.api.get("jobs", &query).await?;
            if let Value::Array(more) = page["jobs"].take() {
                jobs.extend(more);
            }
            next = page["next"].as_str().map(str::to_owned);
            if next.is_none() || jobs.len() >= limit {
                break;
            }
        }
        let more = next.is_some();
        self.tell(&json!({"jobs": jobs, "next": next}), show::jobs)?;
        if more && self.readable {
            output::notice("there are more; see them with --limit, or name a --queue or --state");
        }
        Ok(())
    }

    /// What has become of a job, and how.
    async fn why(&self, job: &JobId) -> Result<(), Failure> {
        let record = self.api.get(&format!("jobs/{job}"), &[]).await?;
        let mut attempts = self.api.get(&format!("jobs/{job}/attempts"), &[]).await?;
        if self.readable {
            show::job(&record)?;
            output::line("")?;
            return show::attempts(&attempts);
        }
        output::line(&json!({"job": record, "attempts": attempts["attempts"].take()}).to_string())
    }

    /// The same request until there is nothing left for it.
    async fn many(&self, path: &str, done: &str, mut body: Value) -> Result<(), Failure> {
        let mut jobs = 0;
        loop {
            let answer = self.api.post(&format!("jobs/{path}"), &body).await?;
            jobs += answer["jobs"].as_u64().unwrap_or(0);
            match answer["next"].as_str() {
                Some(next) => body["cursor"] = json!(next),
                None if answer["more"] == true => {}
                None => break,
            }
        }
        if self.readable {
            return output::line(&format!("{jobs} {done}"));
        }
        output::line(&json!({"jobs": jobs}).to_string())
    }
}
