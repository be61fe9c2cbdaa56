//! CPU time and memory of processes.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// Clock ticks in a second: Linux tells CPU time in these on every machine it runs on.
const TICKS: f64 = 100.0;

/// One server: a process, or several that make one up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process(Vec<u32>);

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Usage {
    /// User and system, of all threads.
    pub(crate) cpu_seconds: f64,
    pub(crate) rss: u64,
}

impl Process {
    pub(crate) fn of(pids: &[u32]) -> Self {
        Self(pids.to_vec())
    }

    pub(crate) fn own() -> Self {
        Self(vec![std::process::id()])
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        let mut all = Usage::default();
        for pid in &self.0 {
            let one = of_one(*pid)?;
            all.cpu_seconds += one.cpu_seconds;
            all.rss += one.rss;
        }
        Ok(all)
    }

    /// Bytes of its own, and its part of what is shared. Makes the kernel walk all its memory: not while it is
    /// measured. None where it must not be read.
    pub(crate) fn pss(&self) -> Option<u64> {
        let one = |pid: &u32| -> Option<u64> {
            let text = read(*pid, "smaps_rollup").ok()?;
            let rest = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            rest.trim().split(' ').next()?.parse().ok()
        };
        let kib: Option<u64> = self.0.iter().map(one).sum();
        kib.map(|kib| kib * 1024)
    }

    /// Before whatever else is on the machine. Not allowed to everybody, and no matter where it is alone.
    pub(crate) fn prefer(&self) {
        for pid in &self.0 {
            let _ = Command::new("renice")
                .args(["-n", "-10", "-p", &pid.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
    }

    /// CPU seconds of each of them.
    pub(crate) fn each(&self) -> Result<Vec<f64>> {
        self.0.iter().map(|pid| cpu_seconds(*pid)).collect()
    }

    /// All their threads, on one core.
    pub(crate) fn pin(&self, core: u32) -> Result<()> {
        self.0.iter().try_for_each(|pid| pin(*pid, core))
    }
}

fn pin(pid: u32, core: u32) -> Result<()> {
    let status = Command::new("taskset")
        .args(["-apc", &core.to_string(), &pid.to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset")?;
    ensure!(status.success(), "process {pid} cannot be put on core {core}");
    Ok(())
}

fn read(pid: u32, name: &str) -> Result<String> {
    let file = format!("/proc/{pid}/{name}");
    fs::read_to_string(&file).context(file)
}

fn of_one(pid: u32) -> Result<Usage> {
    let status = read(pid, "status")?;
    let number = |name: &str| -> Option<u64> {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().split(' ').next()?.parse().ok()
    };
    Ok(Usage {
        cpu_seconds: cpu_seconds(pid)?,
        rss: number("VmRSS:").context("an odd status")? * 1024,
    })
}

/// The scheduler counts nanoseconds; where it does not, there are ticks. Its count is that of threads that are there:
/// what others have used is in the ticks, so the larger of both counts.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = read(pid, "stat")?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("an odd stat")?;
    let tick = |at: usize| -> Option<f64> { fields.split_whitespace().nth(at)?.parse().ok() };
    let ticks = tick(11).zip(tick(12)).map(|(user, system)| user + system);
    let coarse = ticks.context("an odd stat")? / TICKS;
    let fine = threads(pid).unwrap_or_default();
    // A tick of user and one of system time may both be cut off.
    Ok(if fine + 0.05 >= coarse { fine } else { coarse })
}

fn threads(pid: u32) -> Option<f64> {
    let mut all = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread may end while they are looked at.
        if let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) {
            let nanos: f64 = text.split(' ').next()?.parse().ok()?;
            all += nanos / 1e9;
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_has_used_time_and_memory() -> Result<()> {
        let own = Process::own();
        let before = own.usage()?;
        let mut sum = 0u64;
        while own.usage()?.cpu_seconds < before.cpu_seconds + 0.02 {
            sum = sum.wrapping_add(1);
        }
        let after = own.usage()?;
        assert!(after.cpu_seconds > before.cpu_seconds && after.rss > 0);
        Ok(())
    }
}
