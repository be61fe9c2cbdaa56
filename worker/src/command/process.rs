//! A running program and everything it has started: one process group, which ends with the value.

use std::io;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tidegate_shared::config;
use tidegate_shared::job::JobRecord;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// Read in one go.
const CHUNK: usize = 8 * 1024;
/// Where programs find others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
    status: Option<ExitStatus>,
    out: Pipe<ChildStdout>,
    err: Pipe<ChildStderr>,
}

/// What a program does. Of what it writes, an empty part is the last.
pub(super) enum Event {
    Out(Vec<u8>),
    Err(Vec<u8>),
    Ended,
}

impl Process {
    pub(super) fn start(
        command: &config::Command,
        arguments: &[String],
        record: &JobRecord,
    ) -> io::Result<Self> {
        let mut spawn = Command::new(&command.path);
        spawn
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .env("TIDEGATE_JOB", record.id.as_str())
            .env("TIDEGATE_ATTEMPT", record.attempt.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &command.directory {
            spawn.current_dir(directory);
        }
        let mut child = spawn.spawn()?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(Self {
            group,
            status: None,
            out: Pipe::new(child.stdout.take()),
            err: Pipe::new(child.stderr.take()),
            child,
        })
    }

    /// Absent while it runs.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Whether there may be something to read.
    pub(super) fn is_heard(&self) -> bool {
        self.out.is_open() || self.err.is_open()
    }

    /// What it does next; never resolves when there will be nothing. When it ends, what it leaves behind
    /// is killed. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Event> {
        tokio::select! {
            status = self.child.wait(), if self.status.is_none() => {
                self.status = Some(status?);
                // The program's id is free again, but not for a group: while one of it is left it
                // belongs to that one, and if none is left the system does not give it away so soon.
                self.kill();
                self.group = None;
                Ok(Event::Ended)
            }
            chunk = self.out.read() => chunk.map(Event::Out),
            chunk = self.err.read() => chunk.map(Event::Err),
        }
    }

    pub(super) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// That there is nobody left is no error.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// A handler that is dropped, as when the job was lost or the worker ends, leaves nothing running.
impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One end of a pipe until it is closed.
struct Pipe<R> {
    end: Option<R>,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(end: Option<R>) -> Self {
        Self {
            end,
            buffer: vec![0; CHUNK],
        }
    }

    fn is_open(&self) -> bool {
        self.end.is_some()
    }

    async fn read(&mut self) -> io::Result<Vec<u8>> {
        let Some(end) = &mut self.end else {
            return std::future::pending().await;
        };
        let count = end.read(&mut self.buffer).await?;
        if count == 0 {
            self.end = None;
        }
        Ok(self.buffer.get(..count).unwrap_or_default().to_vec())
    }
}
