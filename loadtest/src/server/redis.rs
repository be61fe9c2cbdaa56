//! Redis, fresh and without persistence: one server, or a Cluster of masters.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::server::program::{self, Program, port};

const SLOTS: u32 = 16_384;

/// As many masters as that; 0: a single server, and no Cluster.
pub(super) fn start(folder: &Path, core: u32, masters: u32) -> Result<Vec<Program>> {
    if masters == 0 {
        return Ok(vec![server(folder, core, None)?]);
    }
    let buses: Vec<_> = (0..masters).map(|_| port()).collect::<Result<_>>()?;
    let start = |bus: &u16| server(folder, core, Some(*bus));
    let programs: Vec<_> = buses.iter().map(start).collect::<Result<_>>()?;
    for (number, program) in (0..masters).zip(&programs) {
        let (first, last) = (SLOTS * number / masters, SLOTS * (number + 1) / masters - 1);
        let slots = [first.to_string(), last.to_string()];
        ask(program.port, &["cluster", "addslotsrange", &slots[0], &slots[1]])?;
        let (port, bus) = (programs[0].port.to_string(), buses[0].to_string());
        ask(program.port, &["cluster", "meet", "127.0.0.1", &port, &bus])?;
    }
    let known = format!("cluster_known_nodes:{masters}");
    for program in &programs {
        program.wait_for("the Cluster", || {
            let info = ask(program.port, &["cluster", "info"]).unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains(&known)
        })?;
    }
    Ok(programs)
}

pub(super) fn url(programs: &[Program]) -> String {
    let hosts: Vec<_> = programs
        .iter()
        .map(|one| format!("127.0.0.1:{}", one.port))
        .collect();
    let scheme = if hosts.len() > 1 { "redis-cluster" } else { "redis" };
    format!("{scheme}://{}", hosts.join(","))
}

/// With the port of its bus, where it is to be part of a Cluster.
fn server(folder: &Path, core: u32, bus: Option<u16>) -> Result<Program> {
    let port = port()?;
    let number = port.to_string();
    let own = folder.join(&number);
    std::fs::create_dir(&own)?;
    let dir = own.display().to_string();
    let bus = bus.map(|bus| bus.to_string());
    let mut all = vec!["--port", &number, "--bind", "127.0.0.1", "--dir", &dir];
    all.extend(["--save", "", "--appendonly", "no", "--maxclients", "1000"]);
    if let Some(bus) = &bus {
        all.extend(["--cluster-enabled", "yes", "--cluster-port", bus]);
    }
    program::start(folder, core, port, "redis-server", &all)
        .context("redis-server (apt-get install redis-server)")
}

fn ask(port: u16, words: &[&str]) -> Result<String> {
    let out = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(words)
        .output();
    let out = out.context("redis-cli (apt-get install redis-tools)")?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    ensure!(!text.starts_with("ERR"), "redis-cli {}: {text}", words.join(" "));
    Ok(text)
}
