//! The REST interface: which request means what. Paths may stand below any other: what counts begins with
//! `instances`, `jobs`, `agents`, `events` or `health`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidegate_shared::clock::now_ms;
use tidegate_shared::iso;

use super::agent::{self, Heartbeat};
use super::error::ArkError;
use super::history;
use super::instance::{self, NewLine};
use super::jobs::{self, Wanted};
use super::places::Places;
use crate::call::{HttpAnswer, HttpRequest};
use crate::topics::Topics;

const RESOURCES: [&str; 5] = ["instances", "jobs", "agents", "events", "health"];
/// What a list has unless its request says otherwise.
const LISTED: usize = 100;

/// What becomes a body, and its status.
type Said = Result<HttpAnswer, ArkError>;

pub(super) async fn answer(places: &Places, topics: &Topics, request: &HttpRequest) -> HttpAnswer {
    let parts = request.parts();
    let begin = parts.iter().position(|part| RESOURCES.contains(part));
    let parts = begin.and_then(|begin| parts.get(begin..)).unwrap_or_default();
    let method = request.method.as_str();
    let said = match parts {
        ["instances", rest @ ..] => of_instances(places, topics, request, method, rest).await,
        ["jobs", rest @ ..] => of_jobs(places, topics, request, method, rest).await,
        ["agents", rest @ ..] => of_agents(places, topics, request, method, rest).await,
        ["events"] if method == "GET" => {
            let since = query(request, "since");
            let found = history::events(places, topics, since, limit(request, history::LIMIT)).await;
            found.map(|history| HttpAnswer::json(200, &history))
        }
        ["health"] if method == "GET" => Ok(HttpAnswer::json(
            200,
            &json!({ "status": "ok", "timestamp": iso::time(now_ms()), "database": "connected" }),
        )),
        _ => Err(nowhere(request)),
    };
    said.unwrap_or_else(|error| refused(&error))
}

async fn of_instances(
    places: &Places,
    topics: &Topics,
    request: &HttpRequest,
    method: &str,
    rest: &[&str],
) -> Said {
    match (method, rest) {
        ("POST", []) => {
            let created = instance::create(places, topics, body(request)?).await?;
            Ok(HttpAnswer::json(201, &created))
        }
        ("GET", []) => {
            let all = instance::all(places, topics).await?;
            let fits = |name: &str, value: &dyn Fn(&instance::Instance) -> Option<Value>| {
                let wanted = query(request, name).map(str::to_owned);
                let kept = all.iter().map(|one| {
                    let is = value(one);
                    wanted
                        .as_deref()
                        .is_none_or(|wanted| is.as_ref().and_then(Value::as_str) == Some(wanted))
                });
                kept.collect::<Vec<bool>>()
            };
            let status = fits("status", &|one| serde_json::to_value(one.status).ok());
            let game = fits("gameType", &|one| serde_json::to_value(one.game_type).ok());
            let agent = fits("agentId", &|one| Some(one.agent_id.clone().into()));
            let skipped = number(request, "offset").unwrap_or(0);
            let wanted = all
                .iter()
                .enumerate()
                .filter(|(n, _)| status[*n] && game[*n] && agent[*n])
                .map(|(_, one)| one);
            let page: Vec<_> = wanted.skip(skipped).take(limit(request, LISTED)).collect();
            Ok(HttpAnswer::json(200, &page))
        }
        ("GET", [id]) => Ok(found(instance::find(places, topics, id).await?)),
        ("PATCH" | "PUT", [id]) => Ok(found(instance::change(places, topics, id, body(request)?).await?)),
        ("DELETE", [id]) => {
            if jobs::is_busy(places, topics, id).await? {
                return Err(ArkError::Wrong(format!(
                    "Cannot delete instance {}: has running or queued jobs",
                    instance::shown(id)
                )));
            }
            instance::delete(places, topics, id).await?;
            Ok(HttpAnswer::empty(204))
        }
        ("GET", [id, "logs"]) => {
            instance::find(places, topics, id).await?;
            let (since, level) = (query(request, "since"), query(request, "level"));
            let lines = history::lines(places, topics, id, since, level, limit(request, LISTED)).await?;
            Ok(HttpAnswer::json(200, &lines))
        }
        ("POST", [id, "logs"]) => {
            instance::find(places, topics, id).await?;
            let line: NewLine = body(request)?;
            instance::log(places, topics, id, line).await?;
            Ok(HttpAnswer::empty(204))
        }
        _ => Err(nowhere(request)),
    }
}

async fn of_jobs(
    places: &Places,
    topics: &Topics,
    request: &HttpRequest,
    method: &str,
    rest: &[&str],
) -> Said {
    match (method, rest) {
        ("POST", []) => {
            let created = jobs::create(places, topics, body(request)?, request.user.clone()).await?;
            Ok(HttpAnswer::json(201, &created))
        }
        ("GET", []) => {
            let text = |name: &str| query(request, name).map(str::to_owned);
            let wanted = Wanted {
                status: text("status"),
                instance: text("instanceId"),
                kind: text("jobType"),
                limit: limit(request, LISTED),
            };
            Ok(found(jobs::list(places, topics, &wanted).await?))
        }
        ("GET", [id]) => Ok(found(jobs::find(places, topics, id).await?)),
        ("DELETE", [id]) | ("POST", [id, "cancel"]) => Ok(found(jobs::cancel(places, topics, id).await?)),
        _ => Err(nowhere(request)),
    }
}

async fn of_agents(
    places: &Places,
    topics: &Topics,
    request: &HttpRequest,
    method: &str,
    rest: &[&str],
) -> Said {
    match (method, rest) {
        ("POST", ["register"]) => Ok(found(agent::register(places, topics, body(request)?).await?)),
        ("POST", ["heartbeat"]) => {
            let beat: Heartbeat = body(request)?;
            let id = beat.agent_id.clone();
            let id = id.ok_or_else(|| ArkError::wrong("agentId is missing"))?;
            agent::heartbeat(places, topics, &id, &beat).await?;
            Ok(HttpAnswer::empty(204))
        }
        ("POST", [id, "heartbeat"]) => {
            let beat: Option<Heartbeat> = body(request)?;
            agent::heartbeat(places, topics, id, &beat.unwrap_or_default()).await?;
            Ok(HttpAnswer::empty(204))
        }
        ("GET", []) => Ok(found(agent::all(places, topics).await?)),
        ("GET", [id]) => Ok(found(agent::find(places, topics, id).await?)),
        _ => Err(nowhere(request)),
    }
}

fn found(what: impl Serialize) -> HttpAnswer {
    HttpAnswer::json(200, &what)
}

fn body<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, ArkError> {
    request
        .json()
        .map_err(|error| ArkError::Wrong(format!("the body does not fit: {error}")))
}

fn query<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.query.get(name).map(String::as_str)
}

fn number(request: &HttpRequest, name: &str) -> Option<usize> {
    query(request, name)?.parse().ok()
}

fn limit(request: &HttpRequest, otherwise: usize) -> usize {
    number(request, "limit")
        .unwrap_or(otherwise)
        .clamp(1, history::LIMIT)
}

fn nowhere(request: &HttpRequest) -> ArkError {
    let path = instance::shown(&request.path);
    ArkError::Unknown("Route", format!("{} {path}", request.method))
}

/// As the clients of such systems know it.
fn refused(error: &ArkError) -> HttpAnswer {
    let status = error.code().http_status();
    let name = match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        413 => "Payload Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    let body = json!({ "statusCode": status, "message": error.to_string(), "error": name });
    HttpAnswer::json(status, &body)
}
