//! The control plane: its jobs, and what is told of instances and agents.

use serde_json::{Value, json};
use tidegate_shared::broker::From;
use tidegate_shared::call::{CallDraft, CallError};
use tidegate_shared::config::{Command, Config, Pattern};
use tidegate_shared::job::{JobId, JobState};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::MethodName;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;
use tidegate_worker::{Worker, built_in};
use tokio::time::timeout;

use crate::support::{Bench, DEADLINE, Running, result};

/// A worker with all that it has by itself, and these programs.
fn worker(bench: &Bench, programs: Vec<Command>) -> Running {
    let mut config = Config::default();
    config.worker.commands = programs;
    let worker = built_in(Worker::builder(bench.open()), &config).build();
    Running::start(worker.expect("a worker"))
}

async fn call(bench: &Bench, method: &str, data: Value) -> Result<Value, CallError> {
    let method = MethodName::parse(method).expect("a method");
    let data = RawJson::of(&data).expect("JSON");
    let answered = async {
        loop {
            match bench
                .backend
                .calls
                .call(CallDraft::new(method.clone(), data.clone()))
                .await
            {
                // The worker has not said yet that it serves it.
                Err(CallError::NoWorker(_)) => tokio::task::yield_now().await,
                other => return other,
            }
        }
    };
    let answer = timeout(DEADLINE, answered).await.expect("an answer in time")?;
    Ok(serde_json::from_str(answer.data.as_str()).expect("JSON"))
}

/// Method, path and body to status and body.
async fn http(bench: &Bench, method: &str, path: &str, body: Value) -> (u64, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query: serde_json::Map<String, Value> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let request = json!({ "method": method, "path": path, "query": query, "headers": {}, "body": body });
    let answer = call(bench, "ark.http", request).await.expect("an answer");
    (
        answer["status"].as_u64().expect("a status"),
        answer["body"].clone(),
    )
}

async fn created(bench: &Bench) -> String {
    let new = json!({ "name": "Island", "gameType": "ASA" });
    let (status, instance) = http(bench, "POST", "/ark/api/instances", new).await;
    assert_eq!(
        (status, &instance["status"]),
        (201, &json!("STOPPED")),
        "{instance}"
    );
    instance["instanceId"].as_str().expect("an id").to_owned()
}

/// The record of a job by the UUID that events have.
fn own_id(job: &Value) -> JobId {
    let digits = job["jobId"].as_str().expect("an id").replace('-', "");
    JobId::parse(&format!("ark.0.{digits}")).expect("a job's id")
}

/// Names and data of what a topic was told, oldest first.
async fn told(bench: &Bench, topic: &str) -> Vec<(String, Value)> {
    let topic = Topic::parse(topic).expect("a topic");
    let page = bench.backend.broker.read(&topic, From::Newest, 1_000).await;
    let said = page.expect("a log").publications;
    said.iter()
        .filter_map(|one| match &one.body {
            Body::Message { data, event } => Some((
                event.as_ref()?.as_str().to_owned(),
                serde_json::from_str(data.as_str()).expect("JSON"),
            )),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_every_kind_is_done_with_progress_and_changes_its_instance() {
    let bench = Bench::new();
    let worker = worker(&bench, Vec::new());
    let instance = created(&bench).await;
    let kinds = [
        "INSTALL_SERVER",
        "UPDATE_SERVER",
        "START_INSTANCE",
        "RESTART_INSTANCE",
        "STOP_INSTANCE",
        "BACKUP_INSTANCE",
        "VERIFY_BACKUP",
        "RESTORE_BACKUP",
        "PRUNE_BACKUPS",
        "SYNC_MODS",
        "ACTIVATE_BUILD",
    ];
    // One instance each, but for those that change it: they would wait for each other.
    let mut jobs = Vec::new();
    for kind in kinds {
        let changes = ["START_INSTANCE", "RESTART_INSTANCE", "STOP_INSTANCE"].contains(&kind);
        let id = if changes {
            instance.clone()
        } else {
            created(&bench).await
        };
        let new = json!({ "jobType": kind, "instanceId": id, "parameters": {} });
        let (status, job) = http(&bench, "POST", "/jobs", new).await;
        assert_eq!(
            (status, &job["status"], &job["instanceId"]),
            (201, &json!("QUEUED"), &json!(id)),
            "{job}"
        );
        jobs.push(own_id(&job));
    }
    for id in &jobs {
        let record = bench.ended(id).await;
        assert_eq!(
            record.state,
            JobState::Succeeded,
            "{}: {:?}",
            record.kind,
            record.error
        );
        let log = bench.log(id).await;
        let percents: Vec<f64> = log.iter().filter_map(|one| Some(one.percent?.get())).collect();
        assert!(
            percents.is_sorted() && percents.last() == Some(&100.0),
            "{percents:?}"
        );
        assert!(
            percents.iter().any(|percent| (1.0..100.0).contains(percent)),
            "{percents:?}"
        );
    }
    let statuses: Vec<Value> = told(&bench, "ark:events")
        .await
        .into_iter()
        .filter(|(event, data)| event == "instance:status_changed" && data["instanceId"] == *instance)
        .map(|(_, data)| data["status"].clone())
        .collect();
    let expected = [
        "STARTING", "RUNNING", "STOPPING", "STARTING", "RUNNING", "STOPPING", "STOPPED",
    ];
    assert_eq!(statuses, expected);
    let (_, lines) = http(
        &bench,
        "GET",
        &format!("/instances/{instance}/logs?limit=500"),
        Value::Null,
    )
    .await;
    let lines = lines.as_array().expect("lines");
    assert!(
        lines.iter().any(|line| line["message"] == "Loading map..."),
        "{lines:?}"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_the_configuration_does_the_jobs_and_says_what_its_instance_does() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().expect("a directory");
    let script = r#"
        echo "10% unpacking"
        echo "starting $1 of $2 with $3"
        [ "$1" = START_INSTANCE ] && echo "STATUS RUNNING"
        [ "$1" = STOP_INSTANCE ] && { echo "it hangs" >&2; exit 3; }
        echo '{"pid": 7}'
    "#;
    let path = folder.path().join("script");
    std::fs::write(&path, script).expect("written");
    let program = Command {
        name: "ark".into(),
        path: "/bin/sh".into(),
        arguments: [path.to_str().expect("text"), "[A-Z_]+", "[0-9a-f-]*", ".*"]
            .iter()
            .map(|text| Pattern::parse(text).expect("a pattern"))
            .collect(),
        directory: None,
    };
    // The script's own name comes first: a program is given three arguments.
    let launcher = folder.path().join("ark");
    std::fs::write(&launcher, format!("#!/bin/sh\n{script}")).expect("written");
    let mut rights = std::fs::metadata(&launcher).expect("there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
    std::fs::set_permissions(&launcher, rights).expect("set");
    let program = Command {
        path: launcher,
        arguments: program.arguments[1..].to_vec(),
        ..program
    };
    let worker = worker(&bench, vec![program]);
    let instance = created(&bench).await;
    let submit = async |kind: &str| {
        let new = json!({ "jobType": kind, "instanceId": instance, "parameters": { "mods": [1] } });
        let (status, job) = http(&bench, "POST", "/jobs", new).await;
        assert_eq!(status, 201, "{job}");
        own_id(&job)
    };
    let started = bench.ended(&submit("START_INSTANCE").await).await;
    assert_eq!(result(&started), json!({ "pid": 7 }));
    let (_, found) = http(&bench, "GET", &format!("/instances/{instance}"), Value::Null).await;
    assert_eq!(found["status"], "RUNNING");
    let lines = told(&bench, "ark:log").await;
    let expected = format!("starting START_INSTANCE of {instance} with {{\"mods\":[1]}}");
    assert!(
        lines.iter().any(|(_, line)| line["message"] == *expected),
        "{lines:?}"
    );

    let id = submit("STOP_INSTANCE").await;
    bench.until(&id, |record| record.error.is_some()).await;
    let (status, _) = http(&bench, "POST", &format!("/jobs/{id}/cancel"), Value::Null).await;
    assert_eq!(status, 200);
    let told = told(&bench, "ark:events").await;
    let failed = told.iter().any(|(event, data)| {
        event == "instance:status_changed" && data["status"] == "ERROR" && data["instanceId"] == *instance
    });
    assert!(failed, "{told:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_falls_silent_is_told_once_however_many_workers_look() {
    let bench = Bench::new();
    let workers = [worker(&bench, Vec::new()), worker(&bench, Vec::new())];
    let agent = json!({ "agentId": "a1", "hostname": "host", "heartbeatIntervalSeconds": 1 });
    let (status, answer) = http(&bench, "POST", "/agents/register", agent).await;
    assert_eq!((status, &answer["status"]), (200, &json!("ONLINE")), "{answer}");
    let offline = async |times: usize| {
        let wait = async {
            loop {
                let told = told(&bench, "ark:events").await;
                let times_told = told.iter().filter(|(event, _)| event == "agent:offline").count();
                if times_told >= times {
                    return told;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        timeout(DEADLINE, wait).await.expect("told in time")
    };
    offline(1).await;
    let (_, found) = http(&bench, "GET", "/agents/a1", Value::Null).await;
    assert_eq!(found["status"], "OFFLINE", "{found}");
    // It comes back, and falls silent again: by then the first silence would have been told twice.
    let beat = json!({ "agentId": "a1", "status": "ONLINE", "activeJobIds": [] });
    let (status, _) = http(&bench, "POST", "/agents/heartbeat", beat).await;
    assert_eq!(status, 204);
    let told = offline(2).await;
    let events: Vec<&str> = told.iter().map(|(event, _)| event.as_str()).collect();
    let expected = [
        "agent:registered",
        "agent:offline",
        "agent:heartbeat",
        "agent:offline",
    ];
    assert_eq!(events, expected);
    assert_ne!(told[1].1["lastSeenAt"], told[3].1["lastSeenAt"]);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_what_was_missed_is_told_again() {
    let bench = Bench::new();
    let worker = worker(&bench, Vec::new());
    for (method, path, body, status) in [
        ("GET", "/nowhere", Value::Null, 404),
        ("GET", "/instances/x", Value::Null, 404),
        ("GET", "/jobs/x", Value::Null, 404),
        ("POST", "/instances", json!({ "name": "a" }), 400),
        (
            "POST",
            "/instances",
            json!({ "name": " ", "gameType": "ASA" }),
            400,
        ),
        ("POST", "/jobs", json!({ "jobType": "DANCE" }), 400),
        ("POST", "/jobs", json!({ "jobType": "START_INSTANCE" }), 400),
        (
            "POST",
            "/jobs",
            json!({ "jobType": "START_INSTANCE", "instanceId": "x" }),
            404,
        ),
        ("POST", "/agents/register", json!({ "agentId": "a" }), 400),
        ("POST", "/agents/heartbeat", json!({ "agentId": "a" }), 404),
    ] {
        let (answered, body) = http(&bench, method, path, body).await;
        assert_eq!(answered, status, "{method} {path}: {body}");
        assert_eq!(body["statusCode"], status);
    }
    let instance = created(&bench).await;
    let (_, before) = http(&bench, "GET", "/events", Value::Null).await;
    assert_eq!(
        (&before["complete"], before["events"].as_array().map(Vec::len)),
        (&json!(true), Some(1))
    );
    let line = json!({ "level": "warn", "message": "low memory" });
    let (status, _) = http(&bench, "POST", &format!("/instances/{instance}/logs"), line).await;
    assert_eq!(status, 204);
    let (status, _) = http(&bench, "DELETE", &format!("/instances/{instance}"), Value::Null).await;
    assert_eq!(status, 204);
    let since = before["next"].as_str().expect("a cursor");
    let (_, missed) = http(&bench, "GET", &format!("/events?since={since}"), Value::Null).await;
    let mut events: Vec<&str> = missed["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|one| one["event"].as_str())
        .collect();
    events.sort_unstable();
    assert_eq!(
        (&missed["complete"], events),
        (&json!(true), vec!["instance:deleted", "instance:log"])
    );
    worker.stop().await;
}
