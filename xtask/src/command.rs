//! Runs other programs from the workspace's root and says which command failed, and how.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A program to run, shown before it starts.
pub(crate) struct Run {
    command: Command,
    shown: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The cargo that runs us.
pub(crate) fn cargo(args: &[&str]) -> Run {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Run::new("cargo", program, args)
}

impl Run {
    pub(crate) fn new(name: &str, program: impl AsRef<OsStr>, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).current_dir(root());
        let shown = std::iter::once(name)
            .chain(args.iter().copied())
            .collect::<Vec<_>>()
            .join(" ");
        Self { command, shown }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown = format!("{name}={value} {}", self.shown);
        self
    }

    /// With this file as its standard input.
    pub(crate) fn input(mut self, file: &Path) -> Result<Self> {
        let opened = File::open(file).with_context(|| file.display().to_string())?;
        self.command.stdin(opened);
        self.shown = format!("{} < {}", self.shown, file.display());
        Ok(self)
    }

    /// Runs it with our terminal. An exit status other than 0 is an error.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {self}");
        let status = self
            .command
            .status()
            .with_context(|| format!("cannot start `{self}`"))?;
        if !status.success() {
            bail!("`{self}` failed ({})", Ended(status));
        }
        Ok(())
    }

    /// Runs it without showing anything. Gives its standard output, or nothing if it failed.
    pub(crate) fn quietly(mut self) -> Option<String> {
        let output = self.command.stdin(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it without showing anything, and ends it if it takes too long.
    pub(crate) fn succeeds_within(mut self, limit: Duration) -> bool {
        let silent = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let Ok(mut child) = silent.spawn() else {
            return false;
        };
        let started = Instant::now();
        while started.elapsed() < limit {
            match child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => thread::sleep(Duration::from_millis(50)),
                Err(_) => break,
            }
        }
        // It may have ended in between; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

struct Ended(ExitStatus);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code() {
            Some(code) => write!(f, "exit code {code}"),
            None => write!(f, "{}", self.0),
        }
    }
}
