//! What a process uses, as Linux tells it in `/proc`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::process::Running;

/// Ticks of a second in `/proc`: the same on every Linux that Rust runs on (`USER_HZ`).
const TICKS: u64 = 100;
/// Processes whose last figures are remembered.
const REMEMBERED: usize = 1_000;
/// After that they are of no use any more.
const STALE: Duration = Duration::from_secs(60);

/// A part of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// Ticks it has computed.
    used: u64,
    /// When it started, in ticks since the machine did.
    pub(super) started: u64,
}

/// Absent: there is no such process, or it has ended.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(text: &str) -> Option<Stat> {
    // The second field is the program's name in brackets, and may have brackets and spaces in it.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // From the third field on (proc(5)).
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    Some(Stat {
        used: number(14)? + number(15)?,
        started: number(22)?,
    })
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ProcessInfo {
    pid: i32,
    /// 100 is one processor all the time.
    cpu_percent: f64,
    memory_mb: f64,
    /// Hours, minutes and seconds.
    uptime: String,
}

/// Remembers what processes had used when they were looked at last.
#[derive(Debug, Default)]
pub(super) struct Figures {
    last: BTreeMap<i32, (Instant, Stat)>,
}

impl Figures {
    /// Absent if it has ended.
    pub(super) fn of(&mut self, running: Running, now: Instant) -> Option<ProcessInfo> {
        let stat = running.stat()?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid)).ok()?;
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let up: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        let age = (up - seconds(stat.started)).max(0.0);
        let before = self.remember(running.pid, stat, now);
        let (used, time) = match before {
            Some((then, earlier)) => (stat.used.saturating_sub(earlier.used), (now - then).as_secs_f64()),
            None => (stat.used, age),
        };
        let cpu = if time > 0.0 {
            seconds(used) / time * 100.0
        } else {
            0.0
        };
        Some(ProcessInfo {
            pid: running.pid,
            cpu_percent: rounded(cpu),
            memory_mb: rounded(resident_kib(&status)? / 1_024.0),
            uptime: clock(age),
        })
    }

    fn remember(&mut self, pid: i32, stat: Stat, now: Instant) -> Option<(Instant, Stat)> {
        if self.last.len() >= REMEMBERED {
            self.last.retain(|_, (then, _)| now - *then < STALE);
        }
        if self.last.len() >= REMEMBERED {
            return None;
        }
        let before = self.last.insert(pid, (now, stat));
        before.filter(|(then, earlier)| earlier.started == stat.started && now > *then)
    }
}

fn seconds(ticks: u64) -> f64 {
    let of = |number: u64| u32::try_from(number).map_or(f64::from(u32::MAX), f64::from);
    of(ticks / TICKS) + of(ticks % TICKS) / of(TICKS)
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn resident_kib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn clock(age: f64) -> String {
    let age = Duration::from_secs_f64(age).as_secs();
    let (days, rest) = (age / 86_400, age % 86_400);
    let time = format!("{}:{:02}:{:02}", rest / 3_600, rest % 3_600 / 60, rest % 60);
    match days {
        0 => time,
        1 => format!("1 day, {time}"),
        days => format!("{days} days, {time}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called_and_not_when_it_has_ended() {
        let line = |state: &str| {
            format!(
                "7 (a) b) {state} 1 7 7 0 -1 4194560 10 0 0 0 250 50 0 0 20 0 1 0 12345 1000000 300 18446744073709551615"
            )
        };
        let stat = Stat {
            used: 300,
            started: 12_345,
        };
        assert_eq!(parse(&line("S")), Some(stat));
        assert_eq!(parse(&line("Z")), None);
        assert_eq!(parse("rubbish"), None);
    }

    #[test]
    fn this_process_has_figures() {
        let pid = i32::try_from(std::process::id()).expect("small");
        assert!(stat(pid).is_some());
        assert_eq!(stat(i32::MAX), None);
    }

    #[test]
    fn times_are_told_as_on_a_clock() {
        assert_eq!(clock(65.9), "0:01:05");
        assert_eq!(clock(36_000.0), "10:00:00");
        assert_eq!(clock(90_061.0), "1 day, 1:01:01");
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2_048.0));
    }
}
