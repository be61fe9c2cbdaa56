//! What a process has used, as the kernel tells it.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// Clock ticks in a second: Linux tells CPU time in these on every machine it runs on.
const TICKS: f64 = 100.0;

pub(crate) struct Process(u32);

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Usage {
    /// User and system, of all threads.
    pub(crate) cpu_seconds: f64,
    pub(crate) rss_kib: u64,
    /// Of the whole machine: memory of TCP sockets.
    pub(crate) sockets_kib: u64,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        Self(pid)
    }

    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        let read = |name: &str| {
            let file = format!("/proc/{}/{name}", self.0);
            fs::read_to_string(&file).context(file)
        };
        let stat = read("stat")?;
        // The name, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(')').context("an odd stat")?;
        let tick = |at: usize| -> Option<f64> { fields.split_whitespace().nth(at)?.parse().ok() };
        let ticks = tick(11).zip(tick(12)).map(|(user, system)| user + system);
        let status = read("status")?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|text| text.trim().split(' ').next()?.parse().ok());
        Ok(Usage {
            cpu_seconds: ticks.context("an odd stat")? / TICKS,
            rss_kib: rss.context("an odd status")?,
            sockets_kib: sockets().unwrap_or_default(),
        })
    }

    /// All its threads, on one core.
    pub(crate) fn pin(&self, core: u32) -> Result<()> {
        let status = Command::new("taskset")
            .args(["-apc", &core.to_string(), &self.0.to_string()])
            .stdout(std::process::Stdio::null())
            .status()
            .context("taskset")?;
        ensure!(
            status.success(),
            "process {} cannot be put on core {core}",
            self.0
        );
        Ok(())
    }
}

fn sockets() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").ok()?;
    let line = text.lines().find(|line| line.starts_with("TCP:"))?;
    let pages: u64 = line.rsplit(' ').next()?.parse().ok()?;
    Some(pages * 4)
}
