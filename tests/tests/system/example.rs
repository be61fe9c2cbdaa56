//! `examples/two-nodes/run.sh`, as a newcomer runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::client::Client;
use system_tests::follower::Follower;
use system_tests::process::Process;
use system_tests::{ports, wait};
use tempfile::TempDir;
use tokio::net::TcpStream;

const START: Duration = Duration::from_secs(40);
const STOP: Duration = Duration::from_secs(30);
const PORTS: u16 = 8;

struct Example {
    port: u16,
    script: Process,
    // Not the repository: the script must work from anywhere.
    folder: TempDir,
}

impl Example {
    async fn start(args: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = ports::free_block(PORTS)?;
        let mut command = Command::new(script()?);
        command
            .args(args)
            .current_dir(folder.path())
            .env("PORT", port.to_string())
            .env("TMPDIR", folder.path())
            .env(
                "TIDEGATE_BIN",
                Process::binary("tidegate")?.parent().context("a folder")?,
            );
        let script = Process::spawn("run.sh", folder.path(), command)?;
        let mut example = Self { port, script, folder };
        wait::until(START, "run.sh to say what to try", async || {
            example.script.ensure_running()?;
            Ok(example.script.log().contains("Ctrl-C stops").then_some(()))
        })
        .await?;
        Ok(example)
    }

    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.port)
    }

    /// The process id that the script tells the user to kill.
    fn first_gateway(&self) -> Result<String> {
        let log = self.script.log();
        let after = log.split("kill -9 ").nth(1).context("a process to kill")?;
        Ok(after.split_whitespace().next().context("its number")?.to_owned())
    }

    /// The script ends, and nothing of what it started is left.
    async fn ended(mut self) -> Result<ExitStatus> {
        let status = self.script.wait(STOP).await?;
        for port in self.port..self.port + PORTS {
            ensure!(
                TcpStream::connect(("127.0.0.1", port)).await.is_err(),
                "something still listens on {port}"
            );
        }
        let left: Vec<_> = std::fs::read_dir(self.folder.path())?
            .map(|entry| entry.map(|e| e.file_name()))
            .collect();
        ensure!(left.len() == 1, "the log only, but there are {left:?}");
        Ok(status)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        if std::thread::panicking() || matches!(self.script.ended(), Ok(None)) {
            println!("{}", self.script.tail());
        }
        // Asked to end it takes its children along, which a SIGKILL would leave behind.
        if self.script.signal("TERM").is_ok() {
            let deadline = std::time::Instant::now() + STOP;
            while matches!(self.script.ended(), Ok(None)) && std::time::Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn script() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("a workspace")?;
    Ok(root.join("examples/two-nodes/run.sh"))
}

fn kill(pid: &str) -> Result<()> {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -9 {pid}")])
        .status()?;
    ensure!(status.success(), "kill -9 {pid}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_start_serve_both_and_stop_without_a_trace() -> Result<()> {
    let example = Example::start(&[]).await?;

    let page = reqwest::get(format!("http://127.0.0.1:{}/", example.port)).await?;
    ensure!(page.status() == 200, "the page: {}", page.status());
    ensure!(page.text().await?.contains("<html"), "the page is no page");

    let mut nodes: Vec<String> = Vec::new();
    for _ in 0..4 {
        nodes.push(Client::connect(&example.url()).await?.node().to_owned());
    }
    nodes.sort();
    nodes.dedup();
    ensure!(nodes.len() == 2, "four connections came out at {nodes:?}");

    let submit = tokio::process::Command::new(Process::binary("tidegate")?)
        .args(["submit", "backup", r#"{"source":"tidegate"}"#, "--follow"])
        .arg(format!("--url=http://127.0.0.1:{}", example.port))
        .output();
    let output = wait::within(START, "the backup", async { Ok(submit.await?) }).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let last: Value = serde_json::from_str(text.lines().last().context("a line")?)?;
    ensure!(text.contains("succeeded") && text.contains(".tar.gz"), "{last}");

    example.script.signal("INT")?;
    let status = example.ended().await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_part_dies_the_rest_is_stopped_and_the_part_is_named() -> Result<()> {
    let mut example = Example::start(&[]).await?;
    kill(&example.first_gateway()?)?;
    example.script.says("gateway-1 has ended", STOP).await?;
    let status = example.ended().await?;
    ensure!(status.code() == Some(1), "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keep_going_the_other_node_takes_over() -> Result<()> {
    let mut example = Example::start(&["--keep-going"]).await?;
    let mut followers = [
        Follower::start(&example.url(), "demo").await?,
        Follower::start(&example.url(), "demo").await?,
    ];
    kill(&example.first_gateway()?)?;
    example.script.says("the others go on", STOP).await?;
    Client::connect(&example.url())
        .await?
        .publish("demo", json!("still here"))
        .await?;
    for follower in &mut followers {
        follower.until(|entry| entry["data"] == "still here").await?;
    }
    example.script.signal("INT")?;
    example.ended().await?;
    Ok(())
}

#[tokio::test]
async fn an_unknown_argument_and_missing_programs_are_named() -> Result<()> {
    let output = Command::new(script()?).arg("--kep-going").output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1) && text.contains("--kep-going"),
        "{text}"
    );

    // A PATH with what a shell needs, and nothing else.
    let folder = tempfile::tempdir()?;
    for name in ["sh", "dirname", "printf"] {
        let found = ["/bin", "/usr/bin"].map(|place| Path::new(place).join(name));
        let found = found.iter().find(|path| path.exists()).context(name)?;
        std::os::unix::fs::symlink(found, folder.path().join(name))?;
    }
    let output = Command::new("/bin/sh")
        .arg(script()?)
        .env("PATH", folder.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1) && text.contains("redis-server"),
        "{text}"
    );
    Ok(())
}
