//! `tidegate dev` and the client tools as a user runs them: as processes, through their output and exit
//! codes.

#![expect(clippy::expect_used, reason = "a test may stop at what it cannot do")]

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);

fn tidegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIDEGATE_")) {
        command.env_remove(name);
    }
    command
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(SOON, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// A running `tidegate dev` in a directory of its own.
struct Dev {
    process: Child,
    url: String,
    folder: TempDir,
}

impl Dev {
    async fn start() -> Self {
        Self::at("127.0.0.1:0", tempfile::tempdir().expect("a directory")).await
    }

    /// With the configuration `dev.toml`, if the folder has one.
    async fn at(address: &str, folder: TempDir) -> Self {
        let mut command = tidegate(&["dev", "--listen", address, "--log", "error"]);
        if folder.path().join("dev.toml").exists() {
            command.args(["--config", "dev.toml"]);
        }
        let mut process = command.current_dir(folder.path()).spawn().expect("started");
        let stdout = process.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines();
        let url = soon("the URL", async {
            while let Some(line) = lines.next_line().await.expect("readable") {
                if let Some(url) = line.trim().strip_prefix("page") {
                    return url.trim().trim_end_matches('/').to_owned();
                }
            }
            panic!("no URL was printed")
        })
        .await;
        Self { process, url, folder }
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = tidegate(arguments);
        command.env("TIDEGATE_URL", &self.url);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        soon("a client", self.client(arguments).output())
            .await
            .expect("run")
    }

    async fn interrupt(mut self) -> (ExitStatus, TempDir) {
        let id = self.process.id().expect("running").to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status();
        assert!(kill.await.expect("kill").success());
        let status = soon("the end", self.process.wait()).await.expect("ended");
        (status, self.folder)
    }
}

struct Sub {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    notices: Lines<BufReader<ChildStderr>>,
}

impl Sub {
    /// Resolves when the first publication has come through.
    async fn start(dev: &Dev, topic: &str) -> Self {
        let mut process = dev.client(&["sub", topic]).spawn().expect("started");
        let stdout = process.stdout.take().expect("piped");
        let stderr = process.stderr.take().expect("piped");
        let mut sub = Self {
            _process: process,
            lines: BufReader::new(stdout).lines(),
            notices: BufReader::new(stderr).lines(),
        };
        // Whether it is subscribed yet can only be seen by what arrives.
        soon("the first publication", async {
            loop {
                assert!(dev.run(&["pub", topic, "\"knock\""]).await.status.success());
                if let Ok(line) = timeout(Duration::from_millis(100), sub.lines.next_line()).await {
                    return line;
                }
            }
        })
        .await
        .expect("readable");
        sub
    }

    async fn until(&mut self, data: &Value) {
        soon(&data.to_string(), async {
            while let Some(line) = self.lines.next_line().await.expect("readable") {
                let push: Value = serde_json::from_str(&line).expect("a JSON line");
                if push["data"] == *data {
                    return;
                }
            }
            panic!("the output ended")
        })
        .await;
    }

    async fn notice(&mut self, part: &str) {
        soon(part, async {
            while let Some(line) = self.notices.next_line().await.expect("readable") {
                if line.contains(part) {
                    return;
                }
            }
            panic!("the notices ended")
        })
        .await;
    }
}

fn last_line(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {output:?}"))
}

#[tokio::test]
async fn what_is_published_in_one_terminal_appears_in_another() {
    let dev = Dev::start().await;
    let mut sub = Sub::start(&dev, "demo").await;
    let answer = dev.run(&["pub", "demo", r#"{"hi":1}"#]).await;
    assert!(answer.status.success(), "{answer:?}");
    assert_eq!(last_line(&answer)["type"], "published");
    sub.until(&serde_json::json!({"hi": 1})).await;
    let check = dev.run(&["check"]).await;
    assert!(check.status.success(), "{check:?}");
    let (status, _) = dev.interrupt().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_follower_outlives_the_gateway_and_says_that_its_history_is_gone() {
    let dev = Dev::start().await;
    let mut sub = Sub::start(&dev, "demo").await;
    let address = dev.url.trim_start_matches("http://").to_owned();
    let (_, folder) = dev.interrupt().await;
    sub.notice("trying again").await;
    let dev = Dev::at(&address, folder).await;
    sub.notice("its history began anew").await;
    dev.run(&["pub", "demo", "\"after\""]).await;
    sub.until(&"after".into()).await;
}

#[tokio::test]
async fn a_followed_backup_ends_with_its_result_and_the_exit_code_of_its_state() {
    let dev = Dev::start().await;
    let source = dev.folder.path().join("world");
    std::fs::create_dir(&source).expect("a directory");
    std::fs::write(source.join("level.dat"), vec![7; 300_000]).expect("a file");
    let input = serde_json::json!({ "source": source }).to_string();
    let done = dev.run(&["submit", "backup", &input, "--follow"]).await;
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let job = &last_line(&done)["job"];
    assert_eq!(
        (&job["state"], &job["percent"]),
        (&"succeeded".into(), &100.0.into())
    );
    let archive = job["result"]["path"].as_str().expect("a path");
    assert_eq!(
        std::fs::read(archive).expect("an archive")[..2],
        [0x1f, 0x8b],
        "gzip"
    );

    let outside = serde_json::json!({ "source": Path::new("/etc") }).to_string();
    let failed = dev.run(&["submit", "backup", &outside, "--follow"]).await;
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert_eq!(last_line(&failed)["job"]["state"], "failed");
}

#[tokio::test]
async fn who_follows_a_job_is_shown_its_log_lines() {
    let folder = tempfile::tempdir().expect("a directory");
    let configuration =
        "[[worker.command]]\nname = \"say\"\npath = \"/bin/echo\"\narguments = [\"[a-z ]+\"]\n";
    std::fs::write(folder.path().join("dev.toml"), configuration).expect("a file");
    let dev = Dev::at("127.0.0.1:0", folder).await;
    let input = r#"{"program": "say", "args": ["three files are left"]}"#;
    let done = dev.run(&["submit", "command", input, "--follow"]).await;
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let text = String::from_utf8_lossy(&done.stdout);
    let said = text.lines().any(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["event"] == "log" && line["data"]["message"] == "three files are left"
    });
    assert!(said, "{text}");
}

#[tokio::test]
async fn mistakes_end_with_a_message_and_the_right_exit_code() {
    let dev = Dev::start().await;
    let address = dev.url.trim_start_matches("http://").to_owned();
    let folder = dev.folder.path();
    std::fs::write(folder.join("tidegate.toml"), "[gateway]\nlisen = 1\n").expect("a file");
    let file = folder.join("tidegate.toml").display().to_string();
    for (arguments, code, message) in [
        (&["pub", "demo", "{hi}"][..], 2, "the data is not JSON"),
        (&["pub", "job:x", "1"], 1, "error 102"),
        (&["sub", "job:x"], 1, "error 104"),
        (&["dev", "--listen", &address], 1, "is in use"),
        (
            &["dev", "--listen", "8080"],
            2,
            "--listen: `8080` is not an IP address with a port",
        ),
        (
            &["dev", "--config", &file],
            2,
            "tidegate.toml:2: unknown key `gateway.lisen`; did you mean `listen`?",
        ),
        (&["check", "--url", "http://127.0.0.1:1"], 1, ""),
    ] {
        let output = dev.run(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(message), "{arguments:?}: {errors}");
    }
}

#[tokio::test]
async fn operators_list_explain_retry_cancel_and_forget_jobs() {
    let dev = Dev::start().await;
    let paused = dev.run(&["queues", "pause", "default"]).await;
    assert_eq!(last_line(&paused)["queues"][0]["paused"], true);
    let submitted = dev.run(&["submit", "nobody-knows", "1"]).await;
    let id = last_line(&submitted)["job"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let listed = last_line(&dev.run(&["jobs", "list", "--state", "queued"]).await);
    assert_eq!(listed["jobs"][0]["id"], id.as_str());
    assert_eq!(
        last_line(&dev.run(&["jobs", "show", &id]).await)["state"],
        "queued"
    );
    let why = last_line(&dev.run(&["jobs", "why", &id]).await);
    assert_eq!(
        (&why["job"]["id"], &why["attempts"]),
        (&Value::from(&*id), &serde_json::json!([]))
    );
    assert_eq!(last_line(&dev.run(&["cancel", &id]).await)["type"], "cancelled");
    let purge = ["jobs", "purge", "--queue", "default", "--state", "cancelled"];
    assert_eq!(last_line(&dev.run(&purge).await)["jobs"], 1);

    for command in [
        &["jobs", "retry", &*id][..],
        &["jobs", "cancel", &*id],
        &["cancel", &*id],
    ] {
        let gone = dev.run(command).await;
        let text = String::from_utf8_lossy(&gone.stderr).into_owned();
        assert_eq!(gone.status.code(), Some(1), "{command:?}: {text}");
        assert!(text.contains("does not exist"), "{command:?}: {text}");
    }
    let all = dev.run(&["jobs", "cancel", "--queue", "default"]).await;
    assert_eq!(last_line(&all)["jobs"], 0);
    let resumed = dev.run(&["queues", "resume", "default"]).await;
    // Without jobs it may be no longer known.
    assert_ne!(last_line(&resumed)["queues"][0]["paused"], true);
    assert!(resumed.status.success());
}
