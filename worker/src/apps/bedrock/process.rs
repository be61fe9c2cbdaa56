//! A server's process on this machine. It outlives the worker that started it: what it reads comes from a named
//! pipe in its folder, where any worker of the machine can write, and a file there says which process it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, mknodat};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{Instant, sleep};

use super::figures::{self, Stat};

/// For a server to save its world and end by itself, and after being asked by a signal.
const FAREWELL: Duration = Duration::from_secs(30);
const LAST_WORD: Duration = Duration::from_secs(5);
/// How often is looked whether it has ended, or whether it is one's turn.
const LOOK: Duration = Duration::from_millis(50);
/// Longest command, in bytes: a pipe takes so many at once or none.
pub(super) const COMMAND_LIMIT: usize = 1_024;

/// In place of a server where there is none: says what it hears, until it is told to stop.
const STAND_IN: &str = r#"echo "Server started."
while read -r line; do
  case "$line" in
    stop) echo "Quit correctly"; exit 0 ;;
    *) echo "> $line" ;;
  esac
done"#;

/// A server's folder.
#[derive(Debug, Clone)]
pub(super) struct Home(PathBuf);

/// A process that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) pid: i32,
    /// In ticks since the machine started: a number that was given to another process is found out by it.
    started: u64,
}

/// While it lives nobody else changes the server, on any worker of this machine.
#[derive(Debug)]
pub(super) struct Turn {
    _file: File,
}

impl Home {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Waits for its turn.
    pub(super) async fn turn(&self) -> io::Result<Turn> {
        let path = self.0.join(".turn");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Turn { _file: file }),
                Err(rustix::io::Errno::WOULDBLOCK) => sleep(LOOK).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The server's process, if it runs.
    pub(super) fn running(&self) -> Option<Running> {
        let text = std::fs::read_to_string(self.pid_file()).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let running = Running {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        };
        running.stat().is_some().then_some(running)
    }

    /// Starts it. `program` is what to run instead of the server in this folder.
    pub(super) fn start(&self, program: Option<&Path>) -> io::Result<Running> {
        let pipe = self.0.join(".console");
        match mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // Open for writing as well, so that it never ends.
        let input = OpenOptions::new().read(true).write(true).open(&pipe)?;
        let output = File::create(self.0.join("server_output.txt"))?;
        let own = self.0.join("bedrock_server");
        let program = program.or_else(|| own.is_file().then_some(own.as_path()));
        let mut command = program.map_or_else(stand_in, Command::new);
        let child = command
            .current_dir(&self.0)
            .env("LD_LIBRARY_PATH", ".")
            .stdin(Stdio::from(input))
            .stderr(Stdio::from(output.try_clone()?))
            .stdout(Stdio::from(output))
            .process_group(0)
            .spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        // Somebody has to hear of its end: else it stays on the list of processes.
        std::thread::spawn(move || {
            let mut child = child;
            let _ = child.wait();
        });
        let stat = figures::stat(pid).ok_or_else(|| io::Error::other("it ended at once"))?;
        let running = Running {
            pid,
            started: stat.started,
        };
        std::fs::write(self.pid_file(), format!("{pid} {}\n", running.started))?;
        Ok(running)
    }

    /// Writes a line to its standard input.
    pub(super) fn say(&self, line: &str) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe = rustix::fs::open(self.0.join(".console"), flags, Mode::empty())?;
        File::from(pipe).write_all(format!("{line}\n").as_bytes())
    }

    /// Asks it to end, then makes it.
    pub(super) async fn stop(&self, running: Running) -> io::Result<()> {
        let asked = self.say("stop").is_ok();
        if !(asked && running.ends_within(FAREWELL).await) {
            running.signal(Signal::TERM);
            if !running.ends_within(LAST_WORD).await {
                running.signal(Signal::KILL);
                if !running.ends_within(LAST_WORD).await {
                    return Err(io::Error::other("it does not end"));
                }
            }
        }
        match std::fs::remove_file(self.pid_file()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn pid_file(&self) -> PathBuf {
        self.0.join("bedrock_server.pid")
    }
}

fn stand_in() -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", STAND_IN]);
    shell
}

impl Running {
    pub(super) fn stat(self) -> Option<Stat> {
        figures::stat(self.pid).filter(|stat| stat.started == self.started)
    }

    async fn ends_within(self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while self.stat().is_some() {
            if Instant::now() >= end {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    fn signal(self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.stat().is_some()) {
            // It may have ended meanwhile.
            let _ = kill_process_group(pid, signal);
        }
    }
}
