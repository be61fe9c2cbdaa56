//! The binary as an operator starts it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tidegate_shared::testing::RedisServer;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::wire::{Answer, DEADLINE, Wire, ask, get};

const ANONYMOUS: &str = "[auth]\nanonymous = true\n[drain]\ngrace = \"0s\"\n";

/// A configuration file of a test's own.
struct File {
    directory: TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("tidegate.toml"), text).expect("written");
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("tidegate.toml")
    }
}

/// The binary in an environment without variables that mean something to it.
fn gateway() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-gateway"));
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// On free ports, with anonymous clients.
fn node(file: &File) -> Command {
    let mut command = gateway();
    command.arg("--config").arg(file.path()).args([
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    command
}

/// Exit code, standard output, standard error.
async fn outcome(mut command: Command) -> (i32, String, String) {
    let output = tokio::time::timeout(DEADLINE, command.output())
        .await
        .expect("it ends by itself")
        .expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code().expect("no signal ended it"),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A running node.
struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    seen: Vec<String>,
    client: SocketAddr,
    admin: SocketAddr,
}

impl Running {
    async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let stderr = child.stderr.take().expect("piped");
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut running = Self {
            child,
            log: BufReader::new(stderr).lines(),
            seen: Vec::new(),
            client: nowhere,
            admin: nowhere,
        };
        running.client = running.address("serving clients on ").await;
        running.admin = running.address("serving probes and metrics on ").await;
        running
    }

    async fn address(&mut self, before: &str) -> SocketAddr {
        let line = self.line(before).await;
        let (_, address) = line.split_once(before).expect("found by it");
        address.trim().parse().expect("an address")
    }

    /// The next line of the log that contains the text.
    async fn line(&mut self, text: &str) -> String {
        let reading = async {
            while let Some(line) = self.log.next_line().await.expect("UTF-8") {
                self.seen.push(line.clone());
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        };
        let line = tokio::time::timeout(DEADLINE, reading).await.ok().flatten();
        line.unwrap_or_else(|| panic!("no {text:?} in {:#?}", self.seen))
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        kill_process(id.and_then(Pid::from_raw).expect("running"), signal).expect("sent");
    }

    async fn exit_code(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await;
        status.expect("it ends in time").expect("it is ours").code()
    }

    /// Waits until the probe answers so.
    async fn becomes(&self, path: &str, status: u16) {
        let looking = async {
            while get(self.admin, path).await.status != status {
                tokio::task::yield_now().await;
            }
        };
        let looked = tokio::time::timeout(DEADLINE, looking).await;
        assert!(looked.is_ok(), "{path} never became {status}");
    }

    async fn publish(&self, key: &str) -> Answer {
        let body = json!({"topic": "a", "data": 1}).to_string();
        let length = body.len();
        let head = format!(
            "POST /api/publish HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: {length}\r\n"
        );
        ask(self.client, format!("{head}\r\n{body}")).await
    }
}

#[tokio::test]
async fn help_and_version_are_no_failure() {
    for flag in ["--help", "-h", "--version"] {
        let mut command = gateway();
        command.arg(flag);
        let (code, out, err) = outcome(command).await;
        assert_eq!((code, &*err), (0, ""), "{flag}");
        assert!(out.contains("tidegate-gateway"), "{out}");
    }
}

#[tokio::test]
async fn a_flag_that_does_not_exist_is_bad_usage() {
    let mut command = gateway();
    command.arg("--lisen=127.0.0.1:0");
    let (code, _, err) = outcome(command).await;
    assert_eq!(code, 2);
    assert!(err.contains("--lisen") && err.contains("--listen"), "{err}");
}

#[tokio::test]
async fn an_unknown_key_is_told_with_file_line_and_nearest_key() {
    let file = File::new("[auth]\nanonymous = true\n[limits]\npng = \"25s\"\n");
    let (code, _, err) = outcome(node(&file)).await;
    assert_eq!(code, 2);
    for part in [&*format!("{}:4", file.path().display()), "png", "ping"] {
        assert!(err.contains(part), "{part} is missing in: {err}");
    }
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[tokio::test]
async fn bad_flags_and_variables_are_told_by_name() {
    let file = File::new(ANONYMOUS);
    let mut command = node(&file);
    command
        .args(["--log", "loudd"])
        .env("TIDEGATE_REDIS_URL", "http://:secret@x");
    let (code, _, err) = outcome(command).await;
    assert_eq!(code, 2);
    assert!(
        err.contains("--log") && err.contains("TIDEGATE_REDIS_URL"),
        "{err}"
    );
    assert!(!err.contains("secret"), "{err}");
}

#[tokio::test]
async fn a_gateway_that_no_client_may_use_says_so() {
    let file = File::new("[drain]\ngrace = \"0s\"\n");
    let mut command = node(&file);
    command.arg("--embedded");
    let mut node = Running::start(command).await;
    let line = node.line("no client can connect").await;
    assert!(
        line.contains("/ws") && line.contains("anonymous = true"),
        "{line}"
    );
}

#[tokio::test]
async fn an_origin_that_can_match_nothing_is_bad_configuration() {
    let file = File::new("[auth]\nanonymous = true\n[gateway]\nallowed_origins = [\"https://a*.example\"]\n");
    let mut command = node(&file);
    command.arg("--embedded");
    let (code, _, err) = outcome(command).await;
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("https://a*.example"), "{err}");
}

#[tokio::test]
async fn a_port_in_use_is_told_with_the_flag_that_chooses_another() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let file = File::new(ANONYMOUS);
    for flag in ["--listen", "--admin-listen"] {
        let mut command = gateway();
        command.arg("--config").arg(file.path()).arg("--embedded");
        let other = if flag == "--listen" {
            "--admin-listen"
        } else {
            "--listen"
        };
        command.args([flag, &address, other, "127.0.0.1:0"]);
        let (code, _, err) = outcome(command).await;
        assert_eq!(code, 1, "{err}");
        let last = err.lines().last().unwrap_or_default();
        assert!(last.contains(&address) && last.contains(flag), "{err}");
    }
}

#[tokio::test]
async fn flags_go_before_variables_and_those_before_the_file() {
    let file = File::new("[auth]\nanonymous = true\n[gateway]\nlisten = \"192.0.2.1:1\"\n");
    let mut command = gateway();
    command
        .args(["--embedded", "--check", "--admin-listen", "127.0.0.1:3"])
        .env("TIDEGATE_CONFIG", file.path())
        .env("TIDEGATE_LISTEN", "127.0.0.1:2")
        .env("TIDEGATE_ADMIN_LISTEN", "127.0.0.1:4");
    let (code, out, err) = outcome(command).await;
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("clients on 127.0.0.1:2, probes and metrics on 127.0.0.1:3"),
        "{out}"
    );
}

#[tokio::test]
async fn a_check_says_what_it_found_and_connects() {
    let file = File::new(ANONYMOUS);
    let check = |redis: &RedisServer| {
        let mut command = node(&file);
        command.args(["--check", "--redis-url", &redis.url()]);
        command
    };
    let mut redis = RedisServer::start().await.expect("redis-server");
    let (code, out, err) = outcome(check(&redis)).await;
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains(&format!("redis: 127.0.0.1:{} can be used", redis.port())),
        "{out}"
    );
    assert!(out.contains("endpoint: /ws"), "{out}");

    redis.kill();
    let (code, _, err) = outcome(check(&redis)).await;
    assert_eq!(code, 1);
    assert!(err.contains("did not answer within 5 s"), "{err}");

    let evicting = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"])
        .await
        .expect("redis-server");
    let (code, _, err) = outcome(check(&evicting)).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("cannot be used") && err.contains("noeviction"),
        "{err}"
    );
}

#[tokio::test]
async fn a_redis_that_is_unfit_ends_the_node_with_what_to_change() {
    let evicting = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"])
        .await
        .expect("redis-server");
    let file = File::new(ANONYMOUS);
    let mut command = node(&file);
    command.args(["--redis-url", &evicting.url()]);
    let (code, _, err) = outcome(command).await;
    assert_eq!(code, 1, "{err}");
    assert!(
        err.lines().last().is_some_and(|line| line.contains("noeviction")),
        "{err}"
    );
}

#[tokio::test]
async fn a_node_started_before_redis_waits_for_it_and_serves_once_it_is_there() {
    let mut redis = RedisServer::absent(&["--requirepass", "the-password"]).expect("a free port");
    let file = File::new(ANONYMOUS);
    let mut command = node(&file);
    let url = format!("redis://:the-password@127.0.0.1:{}", redis.port());
    command.args(["--redis-url", &url]).env("TIDEGATE_API_KEY", "k");
    let mut node = Running::start(command).await;
    node.line("no connection to Redis").await;
    node.line("no connection to Redis").await;
    assert_eq!(get(node.admin, "/livez").await.status, 200);
    for path in ["/startupz", "/readyz"] {
        assert_eq!(get(node.admin, path).await.status, 503, "{path}");
    }
    let metrics = get(node.admin, "/metrics").await.text();
    for name in [
        "redis_up 0",
        "redis_command_duration_seconds_bucket",
        "redis_errors_total{",
    ] {
        assert!(
            metrics.contains(&format!("\ntidegate_{name}")),
            "{name} is missing"
        );
    }
    let refused = node.publish("k").await;
    refused.problem(503, 108);
    assert!(refused.headers.contains_key("retry-after"));

    redis.restart().await.expect("redis-server");
    node.becomes("/startupz", 200).await;
    node.becomes("/readyz", 200).await;
    assert_eq!(node.publish("k").await.status, 200);
    assert!(
        get(node.admin, "/metrics")
            .await
            .text()
            .contains("\ntidegate_redis_up 1\n")
    );
    node.signal(Signal::TERM);
    assert_eq!(node.exit_code().await, Some(0));
    while let Some(line) = node.log.next_line().await.expect("UTF-8") {
        node.seen.push(line);
    }
    assert!(!node.seen.join("\n").contains("the-password"), "{:#?}", node.seen);
}

#[tokio::test]
async fn either_signal_ends_a_node_with_success() {
    let file = File::new(ANONYMOUS);
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = node(&file);
        command.arg("--embedded").env("TIDEGATE_API_KEY", "k");
        let mut node = Running::start(command).await;
        node.line("anonymous = true").await;
        assert_eq!(node.publish("k").await.status, 200);
        node.signal(signal);
        assert_eq!(node.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let file = File::new(ANONYMOUS);
    let mut command = node(&file);
    command.arg("--embedded").env("TIDEGATE_API_KEY", "k");
    let mut node = Running::start(command).await;
    // A request that holds the first signal up.
    let mut slow = Wire::connect(node.client).await;
    slow.send("POST /api/publish HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\ncontent-length: 22\r\nexpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(slow.answer().await.map(|answer| answer.status), Some(100));
    node.signal(Signal::TERM);
    node.line("a second signal ends at once").await;
    node.becomes("/readyz", 503).await;
    let started = std::time::Instant::now();
    node.signal(Signal::TERM);
    assert_eq!(node.exit_code().await, Some(1));
    assert!(started.elapsed().as_secs_f64() < 1.0, "{:?}", started.elapsed());
}
