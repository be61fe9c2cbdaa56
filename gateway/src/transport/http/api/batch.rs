//! `POST /api/batch`: commands one after the other, each with a result of its own. Publications that keep their order
//! by themselves do not wait for each other.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use tidegate_shared::json::RawJson;

use super::command::Command;
use super::{Api, answer};
use crate::transport::http::headers::traceparent;
use crate::transport::http::problem::Fault;
use crate::transport::http::{Problem, body};

/// Most commands of one batch.
const COMMANDS: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    commands: Vec<Command>,
}

#[derive(Debug, Serialize)]
struct Results {
    results: Vec<Outcome>,
}

/// `{"publish": {...}}`, or `{"error": {...}}`.
#[derive(Debug)]
enum Outcome {
    Done(&'static str, RawJson),
    Failed(Fault),
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Done(name, document) => map.serialize_entry(name, document)?,
            Self::Failed(fault) => map.serialize_entry("error", fault)?,
        }
        map.end()
    }
}

/// What fails does not keep the next commands from being run.
pub(super) async fn batch(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let trace = traceparent(request.headers());
    let Batch { commands } = body::read(request, api.large_body).await?;
    if commands.len() > COMMANDS {
        return Err(Problem::bad_request(format!(
            "`commands` has {} commands: at most {COMMANDS} are taken",
            commands.len()
        )));
    }
    let mut results = Vec::with_capacity(commands.len());
    let mut publishing = Vec::new();
    for command in commands {
        let orderly = command.is_orderly(&api);
        let outcome = run(command.within(trace), &api);
        if orderly {
            publishing.push(outcome);
            continue;
        }
        results.append(&mut join_all(publishing.drain(..)).await);
        results.push(outcome.await);
    }
    results.append(&mut join_all(publishing).await);
    answer(StatusCode::OK, &Results { results })
}

async fn run(command: Command, api: &Api) -> Outcome {
    let name = command.name();
    match command.run(api).await {
        Ok(document) => Outcome::Done(name, document),
        Err(problem) => Outcome::Failed(problem.fault()),
    }
}
