//! The routes of the manager's HTTP API that look at servers or start tasks, as calls of `bedrock.http`.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Bedrock;
use super::event::Outcome;
use super::places::{ServerName, newest};
use super::process::Home;
use super::world::{ARCHIVE, SETTINGS, is_of};
use crate::worker::WorkerBuilder;
use crate::{
    CallContext, CallFailure, HttpAnswer, HttpRequest, JobDraft, JobFailure, JobId, JobRecord, JobState,
    JobType, QueueName, RawJson, UserId,
};

/// Most backups that are listed.
const LISTED: usize = 1_000;
/// What is left of a request's time when it is answered without knowing how its task ends.
const TO_ANSWER: Duration = Duration::from_secs(1);
/// Between two looks at a task whose end is waited for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(super) fn register(worker: WorkerBuilder, bedrock: &Arc<Bedrock>) -> WorkerBuilder {
    let bedrock = Arc::clone(bedrock);
    worker.method(
        "bedrock.http",
        move |request: HttpRequest, context: CallContext| {
            let bedrock = Arc::clone(&bedrock);
            async move { Ok::<_, CallFailure>(bedrock.answer(&request, &context).await) }
        },
    )
}

/// What bodies of requests have; each route looks at its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    command: Option<String>,
    backup_type: Option<String>,
    file_to_backup: Option<String>,
    restore_type: Option<String>,
    backup_file: Option<String>,
    filename: Option<String>,
    server_name: Option<String>,
}

impl Bedrock {
    async fn answer(&self, request: &HttpRequest, context: &CallContext) -> HttpAnswer {
        let parts = request.parts();
        // Whatever the endpoint's path is, the manager's begins there.
        let begin = parts
            .iter()
            .position(|part| *part == "api")
            .map_or(0, |at| at + 1);
        match (request.method.as_str(), &parts[begin..]) {
            ("GET", ["servers"]) => self.list(),
            ("GET", ["tasks", "status", id]) => task(request, context, id).await,
            ("POST", ["server", "install"]) => match body(request) {
                Ok(body) => {
                    let name = body.server_name.unwrap_or_default();
                    let data = json!({ "server_name": name });
                    let text = format!("Installation of server '{name}' initiated in background.");
                    let started = self
                        .begin(context, request, "bedrock.server_install", &data)
                        .await;
                    started.map_or_else(
                        |refused| refused,
                        |id| {
                            let told = json!({
                                "status": "accepted", "message": text, "server_name": name, "task_id": id.as_str(),
                            });
                            HttpAnswer::json(200, &told)
                        },
                    )
                }
                Err(answer) => answer,
            },
            (method, ["server", name, rest @ ..]) => {
                let found = self.places().and_then(|places| places.existing(name));
                match found {
                    Ok((server, folder)) => {
                        self.of_server(request, context, &server, &Home::new(folder), (method, rest))
                            .await
                    }
                    Err(failure) => refusal(404, failure.message()),
                }
            }
            _ => refusal(404, "Not Found"),
        }
    }

    async fn of_server(
        &self,
        request: &HttpRequest,
        context: &CallContext,
        server: &ServerName,
        home: &Home,
        (method, rest): (&str, &[&str]),
    ) -> HttpAnswer {
        let name = server.as_str();
        let body = match body(request) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let plain = json!({ "server_name": name });
        let (kind, data, what) = match (method, rest) {
            ("GET", ["status"]) => {
                return ok(&json!({ "status": "success", "running": home.running().is_some() }));
            }
            ("GET", ["validate"]) => {
                return ok(&json!({ "status": "success", "message": format!("Server '{name}' is valid.") }));
            }
            ("GET", ["summary"]) => return ok(&summary(server, home)),
            ("GET", ["process_info"]) => return ok(&self.resources(name)),
            ("GET", ["backup", "list", kind]) => return self.backups(server, kind),
            ("POST", ["send_command"]) => {
                let command = body.command.unwrap_or_default();
                if command.trim().is_empty() {
                    return refusal(400, "Request must contain a non-empty 'command'.");
                }
                return sent(name, self.send_command(context, name, &command).await);
            }
            ("POST", [change @ ("start" | "stop" | "restart")]) => {
                return self.change(request, context, (name, home), change).await;
            }
            ("POST", ["backup", "action"]) => {
                let kind = body.backup_type.unwrap_or_default().to_lowercase();
                if !["world", "config", "all"].contains(&kind.as_str()) {
                    return refusal(
                        400,
                        "Invalid 'backup_type'. Must be one of: ['world', 'config', 'all'].",
                    );
                }
                if kind == "config" && body.file_to_backup.is_none() {
                    return refusal(400, "Missing or invalid 'file_to_backup' for config backup type.");
                }
                let mut data = plain;
                data["backup_type"] = json!(kind);
                data["file_to_backup"] = json!(body.file_to_backup);
                ("backup", data, "Backup action")
            }
            ("POST" | "PUT", ["backups", "prune"]) => ("prune_backups", plain, "Backup pruning"),
            ("POST", ["restore", "action"]) => {
                let kind = body.restore_type.unwrap_or_default().to_lowercase();
                if kind != "world" && kind != "all" && !SETTINGS.iter().any(|(name, _)| *name == kind) {
                    return refusal(400, "Invalid 'restore_type'.");
                }
                if kind != "all" && body.backup_file.is_none() {
                    return refusal(
                        400,
                        format!("Missing or invalid 'backup_file' for restore type '{kind}'."),
                    );
                }
                let mut data = plain;
                data["restore_type"] = json!(kind);
                data["backup_file"] = json!(body.backup_file);
                ("restore", data, "Restore action")
            }
            ("POST", ["world", "export"]) => ("world_export", plain, "World export"),
            ("POST", ["world", "install"]) => {
                let Some(file) = body.filename else {
                    return refusal(422, "'filename' is required.");
                };
                let mut data = plain;
                data["filename"] = json!(file);
                ("world_import", data, "World install")
            }
            ("DELETE", ["world", "reset"]) => ("world_reset", plain, "World reset"),
            _ => return refusal(404, "Not Found"),
        };
        let text = format!("{what} for server '{name}' initiated in background.");
        let started = self
            .begin(context, request, &format!("bedrock.{kind}"), &data)
            .await;
        started.map_or_else(|refused| refused, |id| accepted(&text, &id))
    }

    /// A server is started, stopped or restarted by a task of whoever asks. The answer is what came of it, which clients
    /// of either generation take; that it goes on, if it does when nobody waits for the answer any longer.
    async fn change(
        &self,
        request: &HttpRequest,
        context: &CallContext,
        (server, home): (&str, &Home),
        change: &str,
    ) -> HttpAnswer {
        let changed = |outcome: &str, what: &str| {
            ok(&json!({
                "status": "success", "outcome": outcome, "server_name": server,
                "message": format!("Server '{server}' {what}."),
            }))
        };
        let (outcome, what) = match (change, home.running().is_some()) {
            ("start", true) => return changed("already_running", "is already running"),
            ("stop", false) => return changed("already_stopped", "was already stopped"),
            ("start", false) => ("started", "process started"),
            ("stop", true) => ("stopped", "stopped successfully"),
            (_, false) => ("started", "restarted successfully"),
            (_, true) => ("restarted", "restarted successfully"),
        };
        let kind = format!("bedrock.server_{change}");
        let plain = json!({ "server_name": server });
        let id = match self.begin(context, request, &kind, &plain).await {
            Ok(id) => id,
            Err(refused) => return refused,
        };
        match ended(context, &id).await {
            Some(record) if record.state == JobState::Succeeded => changed(outcome, what),
            Some(record) => refusal(500, reason(&record)),
            None => accepted(
                &format!("The {change} of server '{server}' goes on in background."),
                &id,
            ),
        }
    }

    /// Starts a task of whoever asks. Gives its id.
    async fn begin(
        &self,
        context: &CallContext,
        request: &HttpRequest,
        kind: &str,
        data: &Value,
    ) -> Result<JobId, HttpAnswer> {
        let draft = match draft(kind, data) {
            Ok(draft) => JobDraft {
                user: request.user.clone(),
                // What failed once is told, and not tried again behind its user's back.
                max_attempts: Some(1),
                ..draft
            },
            Err(message) => return Err(refusal(500, message)),
        };
        match context.submit(draft).await {
            Ok(submitted) => Ok(submitted.record.id),
            Err(error) => Err(refusal(503, error.to_string())),
        }
    }

    fn list(&self) -> HttpAnswer {
        match self.places() {
            Ok(places) => {
                let names = places.servers();
                let servers = names
                    .iter()
                    .map(|name| summary(name, &Home::new(places.server(name))));
                ok(&json!({ "status": "success", "servers": servers.collect::<Vec<_>>(), "message": null }))
            }
            Err(failure) => refusal(503, failure.message()),
        }
    }

    fn backups(&self, server: &ServerName, kind: &str) -> HttpAnswer {
        let Ok(places) = self.places() else {
            return refusal(503, "This worker has no servers.");
        };
        let folder = places.backups(server);
        let of = |wanted: &str| {
            newest(&folder, |name| is_of(wanted, name)).map(|mut files| {
                files.truncate(LISTED);
                files
            })
        };
        let settings = SETTINGS.iter().find(|(name, _)| *name == kind);
        let found = match (kind, settings) {
            ("world", _) => of(ARCHIVE).map(|files| json!(files)),
            (_, Some((_, file))) => of(file).map(|files| json!(files)),
            ("all", _) => of(ARCHIVE).map(|files| json!({ "world_backups": files })),
            _ => return refusal(400, "Invalid backup type."),
        };
        match found {
            Ok(backups) => {
                ok(&json!({ "status": "success", "message": "Backups listed.", "backups": backups }))
            }
            Err(error) => refusal(500, error.to_string()),
        }
    }
}

fn body(request: &HttpRequest) -> Result<Body, HttpAnswer> {
    let read = request.json::<Option<Body>>();
    read.map(Option::unwrap_or_default)
        .map_err(|error| refusal(422, format!("The body is not what it should be: {error}")))
}

fn draft(kind: &str, data: &Value) -> Result<JobDraft, String> {
    let queue = QueueName::parse("default").map_err(|error| error.to_string())?;
    let kind = JobType::parse(kind).map_err(|error| error.to_string())?;
    let data = RawJson::of(data).map_err(|error| error.to_string())?;
    Ok(JobDraft::new(&queue, kind, data))
}

fn summary(server: &ServerName, home: &Home) -> Value {
    let status = if home.running().is_some() {
        "RUNNING"
    } else {
        "STOPPED"
    };
    json!({
        "name": server.as_str(), "status": status, "version": "UNKNOWN", "player_count": 0, "players": [],
    })
}

fn sent(server: &str, done: Result<Outcome, JobFailure>) -> HttpAnswer {
    match done {
        Ok(outcome) => ok(&json!({
            "status": "success", "message": outcome.message, "server_name": server,
        })),
        Err(failure) if failure.message().contains("is not running") => refusal(409, failure.message()),
        Err(failure) => refusal(400, failure.message()),
    }
}

fn accepted(message: &str, task: &JobId) -> HttpAnswer {
    let told = json!({ "status": "accepted", "message": message, "task_id": task.as_str() });
    HttpAnswer::json(202, &told)
}

/// How a task ended; absent if it has not while an answer can still be given.
async fn ended(context: &CallContext, task: &JobId) -> Option<JobRecord> {
    let until = context.deadline().checked_sub(TO_ANSWER)?;
    let ended = async {
        loop {
            match context.job(task).await {
                Ok(record) if record.state.is_terminal() => return Some(record),
                Ok(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
                Err(_) => return None,
            }
        }
    };
    tokio::time::timeout_at(until.into(), ended).await.ok().flatten()
}

/// A task as its user's connections are told of it.
async fn task(request: &HttpRequest, context: &CallContext, id: &str) -> HttpAnswer {
    let found = match JobId::parse(id) {
        Ok(id) => context.job(&id).await.ok(),
        Err(_) => None,
    };
    // Somebody else's is as good as none.
    match found.filter(|record| record.user == request.user) {
        Some(record) => ok(&told(&record)),
        None => refusal(404, "Task not found"),
    }
}

fn told(record: &JobRecord) -> Value {
    let (status, message) = match record.state {
        JobState::Succeeded => ("success", "Task completed successfully."),
        JobState::Failed | JobState::Cancelled => ("error", reason(record)),
        JobState::Scheduled | JobState::Queued | JobState::Running | JobState::Retrying => {
            ("in_progress", "Task is running.")
        }
    };
    json!({
        "status": status, "message": message, "result": record.result,
        "username": record.user.as_ref().map(UserId::as_str),
    })
}

/// Why a task did not succeed.
fn reason(record: &JobRecord) -> &str {
    match record.state {
        JobState::Cancelled => "Task was cancelled.",
        _ => record.error.as_deref().unwrap_or("Task failed."),
    }
}

fn ok<T: serde::Serialize>(body: &T) -> HttpAnswer {
    HttpAnswer::json(200, body)
}

fn refusal(status: u16, detail: impl Into<String>) -> HttpAnswer {
    HttpAnswer::json(status, &json!({ "detail": detail.into() }))
}
