//! The server manager: tasks are told to all connections of whoever began them, and to nobody else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Link, Play, SETTLE, Said, post, text, until};
use crate::token::token;

const USERS: [&str; 2] = ["anna", "bert"];
const CONNECTIONS: u64 = 2;

struct Task {
    id: String,
    user: &'static str,
    since: Instant,
}

pub(super) struct Bedrock {
    clients: Vec<(&'static str, Link)>,
    tasks: Arc<Mutex<Vec<Task>>>,
    pub(super) play: Play,
}

impl Bedrock {
    pub(super) fn start(port: u16, worlds: &Path) -> Self {
        let clients = USERS
            .into_iter()
            .flat_map(|user| (0..CONNECTIONS).map(move |number| (user, number)))
            .map(|(user, number)| {
                let url = format!("ws://127.0.0.1:{port}/bedrock/ws?token={}", token(user));
                (user, Link::start(&format!("{user} {number}"), url, vec![]))
            })
            .collect();
        let tasks = Arc::new(Mutex::new(Vec::new()));
        let begun = Arc::clone(&tasks);
        let source: PathBuf = worlds.join("small");
        let _ = std::fs::create_dir_all(&source);
        let _ = std::fs::write(source.join("level.dat"), b"a world");
        let archives = worlds.to_owned();
        let play = Play::start(async move {
            for number in 0_usize.. {
                let user = USERS[number % USERS.len()];
                let since = Instant::now();
                let archive = archives.join(format!("small-{}.tar.gz", number % 8));
                let body = json!({
                    "type": "backup", "user": user, "key": format!("backup-{number}"),
                    "data": {"source": source, "destination": archive},
                });
                if let Ok(job) = post(port, "/api/jobs", &body).await {
                    let id = text(&job, "id").to_owned();
                    begun.lock().push(Task { id, user, since });
                }
                sleep(Duration::from_millis(600)).await;
            }
        });
        Self { clients, tasks, play }
    }

    pub(super) async fn check(&self) -> Result<String> {
        let mut told = 0;
        for (user, client) in &self.clients {
            for event in client.log() {
                let Said::Heard(value) = event.said else { continue };
                ensure!(
                    text(&value, "type") == "task_update" && text(&value, "data.username") == *user,
                    "{}: {value}",
                    client.name
                );
                told += 1;
            }
        }
        let ended = until(
            SETTLE,
            "all who stayed to be told of the end of their tasks",
            async || {
                let mut ended = 0;
                for task in self.tasks.lock().iter() {
                    let own = self.clients.iter().filter(|(user, _)| *user == task.user);
                    for (_, client) in own.filter(|(_, client)| client.was_up_since(task.since)) {
                        let topic = format!("task:{}", task.id);
                        let is_over = client.log().iter().any(|event| match &event.said {
                            Said::Heard(value) => {
                                text(value, "topic") == topic && text(value, "data.status") != "in_progress"
                            }
                            _ => false,
                        });
                        ensure!(is_over, "{}: {topic} has no end", client.name);
                        ended += 1;
                    }
                }
                Ok(Some(ended))
            },
        )
        .await?;
        let tasks = self.tasks.lock().len();
        ensure!(tasks > 0, "there was no task");
        Ok(format!(
            "server manager: {tasks} tasks, {told} updates, each to its user only; {ended} times a client that stayed was told the end"
        ))
    }
}
