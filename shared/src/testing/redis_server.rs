//! A real `redis-server` of a test's own: on a free port, in a directory of its own, without
//! persistence. It ends with the value. Relies on `redis-server` being in the `PATH`, and on `sh`.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::resp::{self, Reply};

/// How long a server may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at a server that does not answer yet.
const POLL: Duration = Duration::from_millis(10);
/// Below Linux's ephemeral ports: the port of a killed server is not taken by an outgoing connection,
/// and a client that retries it cannot connect to itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    directory: TempDir,
    /// A configuration file in the directory, which the server may rewrite.
    file: Option<PathBuf>,
    /// Absent while killed, or not started yet.
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server with default settings and waits until it answers.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(&[]).await
    }

    /// As [`start`](Self::start), with further arguments, as `["--maxmemory-policy", "allkeys-lru"]`.
    pub async fn start_with(arguments: &[&str]) -> io::Result<Self> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let mut server = Self::absent(arguments)?;
            match server.restart().await {
                // Another test was faster in taking the port.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(server),
            }
        }
    }

    /// A server that is not running yet; [`restart`](Self::restart) starts it on its port.
    pub fn absent(arguments: &[&str]) -> io::Result<Self> {
        Ok(Self {
            port: free_port()?,
            arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
            directory: tempfile::tempdir()?,
            file: None,
            child: None,
        })
    }

    /// As [`absent`](Self::absent), with a port for a Cluster's bus.
    pub(super) fn absent_in_cluster(arguments: &[&str]) -> io::Result<Self> {
        let bus = free_port()?.to_string();
        let arguments = [&["--cluster-enabled", "yes", "--cluster-port", &bus], arguments].concat();
        Self::absent(&arguments)
    }

    /// Starts a Sentinel that watches nothing yet.
    pub(super) async fn start_sentinel() -> io::Result<Self> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let mut server = Self::absent(&["--sentinel"])?;
            let file = server.directory.path().join("sentinel.conf");
            std::fs::write(&file, "")?;
            server.file = Some(file);
            match server.restart().await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(server),
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it at once with SIGKILL. Everything in it is lost.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Fails only if it has ended already; waiting keeps no zombie.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills it if it runs, starts it on the same port, and waits until it answers.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let deadline = Instant::now() + START_DEADLINE;
        self.child = Some(self.spawn()?);
        loop {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                self.child = None;
                if TcpListener::bind(("127.0.0.1", self.port)).is_err() {
                    return Err(io::Error::new(
                        io::ErrorKind::AddrInUse,
                        format!("port {} is taken", self.port),
                    ));
                }
                return Err(io::Error::other(format!(
                    "redis-server ended at once with {status}; its arguments were {:?}",
                    self.arguments
                )));
            }
            if self.answers().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("redis-server on port {} did not answer in time", self.port),
                ));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops its clock with SIGSTOP: connections stay open and nothing answers.
    pub fn pause(&self) -> io::Result<()> {
        self.signal("STOP")
    }

    pub fn resume(&self) -> io::Result<()> {
        self.signal("CONT")
    }

    /// One raw command over a connection of its own.
    pub async fn command(&self, arguments: &[&str]) -> io::Result<Reply> {
        let arguments: Vec<&[u8]> = arguments.iter().map(|one| one.as_bytes()).collect();
        resp::call(self.port, &arguments).await
    }

    /// As [`command`](Self::command), with arguments that need not be UTF-8.
    pub async fn command_bytes(&self, arguments: &[&[u8]]) -> io::Result<Reply> {
        resp::call(self.port, arguments).await
    }

    fn spawn(&self) -> io::Result<Child> {
        Command::new("redis-server")
            .args(&self.file)
            .args(["--port", &self.port.to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--loglevel", "warning", "--dir"])
            .arg(self.directory.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => io::Error::new(
                    io::ErrorKind::NotFound,
                    "redis-server is not in the PATH; install it (Debian, Ubuntu: apt-get install redis-server)",
                ),
                _ => error,
            })
    }

    /// Whether it is this process that answers on the port, ready for commands. One that asks for a
    /// password counts.
    async fn answers(&self) -> bool {
        match self.command(&["INFO", "server"]).await {
            Ok(Reply::Error(text)) => text.starts_with("NOAUTH"),
            Ok(reply) => self
                .pid()
                .is_some_and(|pid| reply.to_string().contains(&format!("process_id:{pid}\r\n"))),
            Err(_) => false,
        }
    }

    fn signal(&self, name: &str) -> io::Result<()> {
        let pid = self
            .pid()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "redis-server is not running"))?;
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "kill -{name} {pid} ended with {status}"
            )))
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> io::Result<u16> {
    for _ in 0..1_000 {
        let port = rand::random_range(PORTS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("no free port between {} and {}", PORTS.start, PORTS.end),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_answers_survives_a_pause_and_forgets_when_killed() {
        let mut server = RedisServer::start().await.expect("redis-server");
        assert_eq!(
            server
                .command(&["SET", "a", "1"])
                .await
                .expect("answer")
                .to_string(),
            "OK"
        );
        server.pause().expect("paused");
        let paused = tokio::time::timeout(Duration::from_millis(200), server.command(&["GET", "a"])).await;
        assert!(paused.is_err(), "a paused server must not answer");
        server.resume().expect("resumed");
        assert_eq!(
            server.command(&["GET", "a"]).await.expect("answer").to_string(),
            "1"
        );

        let port = server.port();
        server.kill();
        assert!(server.command(&["PING"]).await.is_err());
        server.restart().await.expect("restarted");
        assert_eq!(server.port(), port);
        assert_eq!(server.command(&["GET", "a"]).await.expect("answer"), Reply::Nil);
    }

    #[tokio::test]
    async fn wrong_arguments_are_an_error_and_not_a_hang() {
        let error = RedisServer::start_with(&["--maxmemory-policy", "nonsense"])
            .await
            .expect_err("must not start");
        assert!(error.to_string().contains("nonsense"), "{error}");
    }
}
