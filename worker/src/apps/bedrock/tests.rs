//! Tasks on a real worker in memory, with servers that are processes of this machine.

mod routes;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_shared::broker::From;
use tidegate_shared::call::CallDraft;
use tidegate_shared::embedded::Store;
use tidegate_shared::name::MethodName;
use tidegate_shared::namespace::{Namespace, Namespaces};
use tidegate_shared::presence::NewMember;
use tidegate_shared::publication::Body;
use tokio_util::sync::CancellationToken;

use super::event::TOPIC;
use super::register;
use crate::worker::Worker;
use crate::{Backend, ErrorCode, JobDraft, JobRecord, JobType, QueueName, RawJson, SessionId, Topic};

const DEADLINE: Duration = Duration::from_secs(20);

/// A worker with the application, and a folder for its servers. Stops what runs there when it ends.
struct Ground {
    folder: TempDir,
    backend: Backend,
    stop: CancellationToken,
}

impl Ground {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().display().to_string();
        let environment = move |name: &str| match name {
            "BSM_DATA_DIR" => Some(base.clone()),
            "BEDROCK_BACKUPS_KEPT" => Some("1".to_owned()),
            _ => None,
        };
        let default = Namespace::new("default");
        let built_in: Vec<Namespace> = Namespaces::built_in(&default).collect();
        let backend = Store::new(Namespaces::new(default, built_in)).open();
        let worker = register(Worker::builder(backend.clone()), &environment);
        let (worker, stop) = (worker.build().expect("a worker"), CancellationToken::new());
        tokio::spawn(worker.run(stop.clone()));
        Self {
            folder,
            backend,
            stop,
        }
    }

    /// The task as it ended.
    async fn task(&self, kind: &str, data: Value) -> JobRecord {
        let queue = QueueName::parse("default").expect("valid");
        let kind = JobType::parse(&format!("bedrock.{kind}")).expect("valid");
        let draft = JobDraft {
            max_attempts: Some(1),
            ..JobDraft::new(&queue, kind, RawJson::of(&data).expect("JSON"))
        };
        let id = self
            .backend
            .jobs
            .submit(draft)
            .await
            .expect("submitted")
            .record
            .id;
        let ended = async {
            loop {
                let record = self.backend.jobs.get(&id).await.expect("a job");
                if record.state.is_terminal() {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, ended).await.expect("it ends")
    }

    async fn does(&self, kind: &str, data: Value) -> Value {
        let record = self.task(kind, data).await;
        assert_eq!(record.state.name(), "succeeded", "{kind}: {:?}", record.error);
        serde_json::from_str(record.result.expect("a result").as_str()).expect("JSON")
    }

    async fn fails(&self, kind: &str, data: Value) -> String {
        let record = self.task(kind, data).await;
        assert_eq!(record.state.name(), "failed", "{kind}: {:?}", record.result);
        record.error.expect("an error")
    }

    /// All that was told, oldest first: what it is about, and the data.
    async fn all_told(&self) -> Vec<(String, Value)> {
        let topic = Topic::parse(TOPIC).expect("valid");
        let page = self
            .backend
            .broker
            .read(&topic, From::Newest, 100)
            .await
            .expect("a page");
        let told = page.publications.iter().filter_map(|one| match &one.body {
            Body::Message {
                data,
                event: Some(event),
            } => Some((event.to_string(), serde_json::from_str(data.as_str()).ok()?)),
            _ => None,
        });
        told.collect()
    }

    /// What was told of an event.
    async fn told(&self, event: &str) -> Vec<Value> {
        let of_event = |(about, data): (String, Value)| (about == format!("event:{event}")).then_some(data);
        self.all_told().await.into_iter().filter_map(of_event).collect()
    }

    /// The answer of a method, once there is somebody who has it.
    async fn ask(&self, method: &str, data: Value) -> Value {
        let method = MethodName::parse(method).expect("valid");
        let asked = async {
            loop {
                let data = RawJson::of(&data).expect("JSON");
                let draft = CallDraft::new(method.clone(), data);
                match self.backend.calls.call(draft).await {
                    Ok(answer) => return serde_json::from_str(answer.data.as_str()).expect("JSON"),
                    Err(error) if error.code() == ErrorCode::NoWorker => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    Err(error) => panic!("{method}: {error}"),
                }
            }
        };
        tokio::time::timeout(DEADLINE, asked).await.expect("an answer")
    }

    async fn http(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = json!({ "method": method, "path": path, "user": "ann", "body": body });
        self.ask("bedrock.http", request).await
    }

    fn level(&self) -> std::path::PathBuf {
        self.folder.path().join("servers/one/worlds/Bedrock level")
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.stop.cancel();
        let home = super::process::Home::new(self.folder.path().join("servers/one"));
        let _ = home.say("stop");
    }
}

fn one() -> Value {
    json!({ "server_name": "one" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_a_process_that_hears_commands_until_it_is_stopped() {
    let ground = Ground::start();
    assert!(ground.fails("server_start", one()).await.contains("not found"));
    ground.does("server_install", one()).await;
    let started = ground.does("server_start", one()).await;
    assert_eq!(started["message"], "Server 'one' process started.");
    let pid = started["pid"].as_i64().expect("a pid");
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(
        ground.fails("server_start", one()).await,
        "Server 'one' is already running."
    );
    let command = json!({ "server_name": "one", "command": "say hi" });
    let sent = ground.does("command_send", command.clone()).await;
    assert_eq!(sent["message"], "Command 'say hi' sent successfully.");
    let injected = json!({ "server_name": "one", "command": "say hi\nstop" });
    ground.fails("command_send", injected).await;
    ground.does("server_restart", one()).await;
    ground.does("server_stop", one()).await;
    assert_eq!(
        ground.fails("command_send", command).await,
        "Server 'one' is not running."
    );
    let output = std::fs::read_to_string(ground.folder.path().join("servers/one/server_output.txt"));
    assert!(output.expect("an output").contains("Quit correctly"));

    let before = ground.told("before_server_start").await;
    assert_eq!(before[0], one());
    let after = ground.told("after_server_start").await;
    assert_eq!(after[0]["result"]["status"], "success");
    assert_eq!(after[1]["result"]["status"], "error", "it ran already");
    assert_eq!(ground.told("after_server_stop").await.len(), 2);
    // One is told after the other by the same topic, whoever does them.
    let all = ground.all_told().await;
    let pairs: Vec<&str> = all
        .iter()
        .filter_map(|(about, _)| about.strip_prefix("event:"))
        .collect();
    let first: Vec<&str> = pairs.iter().take(7).copied().collect();
    assert_eq!(
        first,
        [
            "before_server_install",
            "after_server_install",
            "before_server_start",
            "after_server_start",
            "after_server_statuses_updated",
            "before_server_start",
            "after_server_start",
        ]
    );
    assert_eq!(
        ground.told("before_command_send").await[0],
        json!({ "server_name": "one", "command": "say hi" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_comes_back_from_its_backup_and_old_ones_are_pruned() {
    let ground = Ground::start();
    ground.does("server_install", one()).await;
    let note = ground.level().join("note.txt");
    std::fs::write(&note, "kept").expect("written");
    let all = json!({ "server_name": "one", "backup_type": "all", "file_to_backup": null });
    let made = ground.does("backup", all).await;
    let files = made["files"].as_array().expect("files");
    assert_eq!(files.len(), 4, "{made}");
    let archive = files[3].as_str().expect("a name");
    assert_eq!(
        ground.told("before_backup").await,
        [json!({ "server_name": "one", "stop_start_server": true })]
    );

    std::fs::write(&note, "spoilt").expect("written");
    let restore = json!({ "server_name": "one", "restore_type": "world", "backup_file": archive });
    ground.does("restore", restore).await;
    assert_eq!(std::fs::read_to_string(&note).expect("a note"), "kept");
    ground.does("world_reset", one()).await;
    assert!(!ground.level().exists());
    ground
        .does(
            "restore",
            json!({ "server_name": "one", "restore_type": "all", "backup_file": null }),
        )
        .await;
    assert_eq!(std::fs::read_to_string(&note).expect("a note"), "kept");

    let backups = ground.folder.path().join("backups/one");
    std::fs::write(backups.join("older.tar.gz"), "").expect("written");
    let pruned = ground.does("prune_backups", one()).await;
    assert_eq!(pruned["removed"], 1);
    for event in ["backup", "restore", "world_reset", "prune_backups"] {
        let after = ground.told(&format!("after_{event}")).await;
        assert_eq!(after[0]["result"]["status"], "success", "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_world_can_be_imported_and_nothing_else_can() {
    let ground = Ground::start();
    ground.does("server_install", one()).await;
    std::fs::write(ground.level().join("note.txt"), "kept").expect("written");
    let exported = ground.does("world_export", one()).await;
    let file = exported["export_file"].as_str().expect("a name").to_owned();
    ground.does("world_reset", one()).await;
    ground
        .does("world_import", json!({ "server_name": "one", "filename": file }))
        .await;
    let note = std::fs::read_to_string(ground.level().join("note.txt"));
    assert_eq!(note.expect("a note"), "kept");
    for bad in ["../../servers/one/server.properties", "none.tar.gz", ""] {
        let text = ground
            .fails("world_import", json!({ "server_name": "one", "filename": bad }))
            .await;
        assert!(text.contains("not found"), "{text}");
    }
    for bad in ["..", "a/b", ""] {
        ground.fails("server_start", json!({ "server_name": bad })).await;
    }
    let spoilt = ground.folder.path().join("content/worlds/spoilt.tar.gz");
    std::fs::write(&spoilt, "no archive").expect("written");
    ground
        .fails(
            "world_import",
            json!({ "server_name": "one", "filename": "spoilt.tar.gz" }),
        )
        .await;
    assert!(ground.level().join("note.txt").exists(), "it stays as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_is_told_every_two_seconds_whatever_it_is() {
    let ground = Ground::start();
    let topic = Topic::parse("bedrock:resource-monitor:none").expect("valid");
    let member = NewMember {
        session: SessionId::new(),
        user: None,
        info: None,
    };
    let presence = &ground.backend.presence;
    presence
        .enter(&topic, member, Duration::from_secs(60))
        .await
        .expect("entered");
    ground.ask("bedrock.watch", json!({ "server": "none" })).await;
    let heard = async {
        loop {
            let heard = ground.all_told().await;
            if heard.len() > 1 {
                return heard;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let heard = tokio::time::timeout(DEADLINE, heard).await.expect("two of them");
    for (about, resources) in heard {
        assert_eq!(about, "resource-monitor:none");
        assert_eq!(resources["process_info"], Value::Null);
    }
}

#[test]
fn what_a_server_uses_is_told_also_where_there_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = folder.path().display().to_string();
    let bedrock = Arc::new(super::Bedrock::new(&|name| {
        (name == "BSM_DATA_DIR").then(|| base.clone())
    }));
    let told = |server: &str| serde_json::to_value(bedrock.resources(server)).expect("JSON");
    for server in ["none", "../x"] {
        assert_eq!(
            told(server),
            json!({
                "status": "success", "process_info": null,
                "message": format!("Server process '{server}' not found or is inaccessible."),
            })
        );
    }
    let name = super::places::ServerName::parse("one").expect("valid");
    let places = bedrock.places().expect("a folder").clone();
    places.found(&name).expect("made");
    let place = places.server(&name);
    let home = super::process::Home::new(place.clone());
    let running = home.start(None).expect("started");
    // Before its first word it may not have a page of memory yet.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while std::fs::read(place.join("server_output.txt"))
        .expect("written")
        .is_empty()
    {
        assert!(std::time::Instant::now() < deadline, "it says nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    let process = &told("one")["process_info"];
    assert_eq!(process["pid"], running.pid);
    assert!(
        process["memory_mb"].as_f64().is_some_and(|size| size > 0.0),
        "{process}"
    );
    assert!(
        process["cpu_percent"].is_number() && process["uptime"].is_string(),
        "{process}"
    );
    home.say("stop").expect("heard");
}
