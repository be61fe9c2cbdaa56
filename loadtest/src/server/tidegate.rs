//! A gateway as it is installed, but that anybody may do anything, as fast as they like.

use std::path::Path;

use anyhow::{Context, Result};

use crate::server::certificate::Certificate;
use crate::server::program::{self, Program};

pub(super) fn start(
    folder: &Path,
    core: u32,
    gateway: &Path,
    redis: &str,
    log_size: usize,
    certificate: Option<&Certificate>,
) -> Result<Program> {
    let gateway = gateway.canonicalize().with_context(|| {
        let file = gateway.display();
        format!("{file}: cargo build --release -p tidegate-gateway makes it, --gateway says where it is")
    })?;
    let (listen, admin) = (program::port()?, program::port()?);
    let tls = certificate.map_or_else(String::new, |one| {
        format!("[gateway.tls]\ncert = \"{}\"\nkey = \"{}\"", one.file, one.key)
    });
    let text = format!(
        r#"
[redis]
url = "{redis}"
[gateway]
listen = "127.0.0.1:{listen}"
admin_listen = "127.0.0.1:{admin}"
{tls}
[auth]
anonymous = true
[limits]
commands_per_second = 0
handshakes_per_second = 0
[connection]
max_age = "0s"
[drain]
grace = "1s"
max = "60s"
[jobs]
submit = "anyone"
follow = "anyone"
[[namespace]]
name = "default"
log_size = {log_size}
subscribe = "anyone"
publish = "anyone"
"#
    );
    let file = folder.join(format!("tidegate-{listen}.toml"));
    std::fs::write(&file, text)?;
    let file = file.display().to_string();
    let program = program::start(
        folder,
        core,
        listen,
        &gateway.display().to_string(),
        &["--config", &file],
    )?;
    // It listens before it has Redis.
    let ready = "GET /readyz HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n";
    program.wait_for("Redis", || program::answers(admin, ready))?;
    Ok(program)
}

/// The worker beside that gateway.
pub(super) fn worker(folder: &Path, core: u32, gateway: &Path, redis: &str, queues: u64) -> Result<Program> {
    let worker = gateway.with_file_name("tidegate-worker");
    let worker = worker.canonicalize().with_context(|| {
        let file = worker.display();
        format!("{file}: cargo build --release -p tidegate-worker makes it")
    })?;
    let admin = program::port()?;
    let queues: Vec<_> = (0..queues).map(|number| format!("\"q{number}\"")).collect();
    let queues = queues.join(", ");
    let text = format!(
        r#"
[redis]
url = "{redis}"
[worker]
queues = [{queues}]
admin_listen = "127.0.0.1:{admin}"
concurrency = 64
apps = []
[[worker.command]]
name = "steps"
path = "/usr/bin/seq"
arguments = ["-f", "%g%%", "[0-9]+", "[0-9]+", "100"]
"#
    );
    let file = folder.join("worker.toml");
    std::fs::write(&file, text)?;
    let file = file.display().to_string();
    let worker = worker.display().to_string();
    program::start(folder, core, admin, &worker, &["--config", &file])
}
