//! A program of ours as a process of its own, its output in a file, ended with the value.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::wait;

/// Lines of a log that are shown when a test fails.
const TAIL: usize = 40;

#[derive(Debug)]
pub struct Process {
    pub name: String,
    log: PathBuf,
    child: Child,
    stopped: bool,
}

impl Process {
    /// Starts a program. Standard output and error go to `{name}.log` in `folder`, after what is there.
    pub fn start(name: &str, folder: &Path, program: &Path, args: &[impl AsRef<OsStr>]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(args);
        Self::spawn(name, folder, command)
    }

    pub fn spawn(name: &str, folder: &Path, mut command: Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            log,
            child,
            stopped: false,
        })
    }

    /// A binary of this workspace, built beside the test that runs; or in the folder that
    /// `TIDEGATE_BINARIES` names, for a test that measures a release.
    pub fn binary(name: &str) -> Result<PathBuf> {
        let folder = match std::env::var_os("TIDEGATE_BINARIES") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::current_exe()?
                .ancestors()
                .nth(2)
                .context("a test lies in target/PROFILE/deps")?
                .to_owned(),
        };
        let path = folder.join(name);
        ensure!(
            path.exists(),
            "{} is not built; run `cargo build --workspace --bins`, or all of it by `cargo xtask test`",
            path.display()
        );
        Ok(path)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Fails if it has ended, and shows what it said last.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended with {status}; it said:\n{}", self.name, self.tail()),
        }
    }

    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait::until(limit, &what, async || self.ended()).await
    }

    /// SIGKILL, and no zombie.
    pub fn kill(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGSTOP.
    pub fn pause(&mut self) -> Result<()> {
        self.stopped = true;
        self.signal("STOP")
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> Result<()> {
        self.stopped = false;
        self.signal("CONT")
    }

    pub fn signal(&self, name: &str) -> Result<()> {
        let command = format!("kill -{name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &command]).status()?;
        ensure!(status.success(), "`{command}` failed");
        Ok(())
    }

    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    /// Waits until its log has this text.
    pub async fn says(&mut self, text: &str, limit: Duration) -> Result<()> {
        let what = format!("{} to say {text:?}", self.name);
        wait::until(limit, &what, async || Ok(self.log().contains(text).then_some(()))).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
