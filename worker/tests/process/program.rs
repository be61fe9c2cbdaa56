//! `tidegate-worker` as a process, ended with the value.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::LEASE;
use crate::support::DEADLINE;

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-worker"));
    for (name, _) in std::env::vars() {
        if name.starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it until it ends by itself.
pub(crate) fn output(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("it starts")
}

pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    admin: SocketAddr,
}

impl Program {
    /// A worker with a short lease that may back up what is under `root`.
    pub(crate) fn start(redis_url: &str, root: &Path) -> Self {
        let file = root.join(".worker.toml");
        let text = format!(
            "[worker]\nlease = \"{}ms\"\nbackup_roots = [\"{}\"]\n",
            LEASE.as_millis(),
            root.display()
        );
        std::fs::write(&file, text).expect("written");
        let mut child = command()
            .args([
                "--redis-url",
                redis_url,
                "--admin-listen",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = child.stderr.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{line}");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut program = Self {
            child,
            lines,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let line = program.says("probes and metrics on http://");
        let (_, address) = line.rsplit_once("http://").expect("it was looked for");
        program.admin = address.trim().parse().expect("an address");
        program
    }

    /// Waits for a line of its log.
    pub(crate) fn says(&self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self
                .lines
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("it never said {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process");
        kill_process(id, signal).expect("it lives");
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end")
    }

    /// Status and body of a page of the admin port.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect_timeout(&self.admin, DEADLINE).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("set");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }

    /// Waits until a page answers with this status.
    pub(crate) fn until(&self, path: &str, status: u16) {
        let deadline = Instant::now() + DEADLINE;
        while self.get(path).0 != status {
            assert!(
                Instant::now() < deadline,
                "{path} still answers {:?}",
                self.get(path)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics");
        let line = text
            .lines()
            .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Waits until a counter is at least this much.
    pub(crate) fn counted(&self, name: &str, least: f64) {
        let deadline = Instant::now() + DEADLINE;
        while self.metric(name).is_none_or(|value| value < least) {
            assert!(
                Instant::now() < deadline,
                "{name} is still {:?}",
                self.metric(name)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails only if it has ended already; waiting keeps no zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
