//! One process: started on a core, waited for until it listens, ended with its owner.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// For a program to listen.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
const FIRST_PORT: u16 = 14_000;
const PORTS: u16 = 16_000;
/// Before whatever else is on the machine, where that is allowed: it is not what is to be measured.
const NICE: &str = "-10";
/// Of a log that is shown when a program doesn't start.
const LINES: usize = 12;

pub(super) struct Program {
    child: Child,
    pub(super) port: u16,
}

/// A program with its arguments; its output goes to a file in the folder.
pub(super) fn start(
    folder: &Path,
    core: u32,
    port: u16,
    program: &str,
    arguments: &[&str],
) -> Result<Program> {
    let name = Path::new(program).file_name().unwrap_or_default();
    let log = folder.join(format!("{}-{port}.log", name.display()));
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    let child = Command::new("taskset")
        .args(["-c", &core.to_string(), "nice", "-n", NICE, program])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .context("taskset (util-linux)")?;
    let mut started = Program { child, port };
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let over = started.child.try_wait()?.is_some();
        if over || Instant::now() > end {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let first = text.lines().count().saturating_sub(LINES);
            let last: Vec<_> = text.lines().skip(first).collect();
            bail!("{program} does not listen on {port}:\n{}", last.join("\n"));
        }
        std::thread::sleep(LOOK);
    }
    Ok(started)
}

impl Program {
    /// It and those that it has started.
    pub(super) fn pids(&self) -> Vec<u32> {
        let pid = self.child.id();
        let mut pids = vec![pid];
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        pids.extend(
            children
                .split_whitespace()
                .filter_map(|text| text.parse::<u32>().ok()),
        );
        pids
    }

    pub(super) fn wait_for(&self, what: &str, there: impl Fn() -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !there() {
            ensure!(
                Instant::now() < end,
                "process {} is without {what} after {PATIENCE:?}",
                self.child.id()
            );
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    pub(super) fn terminate(&self) -> Result<()> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(status.success(), "process {} is not there", self.child.id());
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A master's workers outlive its being killed: they are told first.
        if self.pids().len() > 1 && self.terminate().is_ok() {
            let end = Instant::now() + Duration::from_secs(5);
            while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(LOOK);
            }
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a request is answered with success.
pub(super) fn answers(port: u16, request: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.write_all(request.as_bytes())?;
        let mut text = String::new();
        socket.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().is_ok_and(|text| text.starts_with("HTTP/1.1 20"))
}

/// A port that was free just now, from below those that the kernel gives to whoever connects.
pub(super) fn port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORTS {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * 31;
        let port = FIRST_PORT + u16::try_from(number % u32::from(PORTS))?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free from {FIRST_PORT} on")
}

/// Where a program is in PATH, or where Debian keeps servers.
pub(super) fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| file.is_file())
}
