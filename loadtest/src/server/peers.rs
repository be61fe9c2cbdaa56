//! Other servers, and the limit, each configured to do what is compared and no more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::server::certificate::Certificate;
use crate::server::program::{Program, answers, find, port, start as run};
use crate::server::{Kind, Wanted};

const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const SOCKETIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/socketio");
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/socketio");

/// What is not there, and how to get it.
pub(super) fn missing(kind: Kind) -> Option<String> {
    let (program, how) = match kind {
        Kind::Nats => ("nats-server", "apt-get install nats-server"),
        Kind::Nchan | Kind::NchanRedis if !Path::new(NCHAN).is_file() => {
            return Some(format!(
                "{NCHAN} is not there: apt-get install libnginx-mod-nchan"
            ));
        }
        Kind::Nchan | Kind::NchanRedis => ("nginx", "apt-get install libnginx-mod-nchan"),
        Kind::Mosquitto => ("mosquitto", "apt-get install mosquitto"),
        Kind::Socketio if find("npm").is_none() => ("npm", "apt-get install npm"),
        Kind::Socketio => ("node", "apt-get install nodejs"),
        Kind::Centrifugo => (
            "centrifugo",
            "https://centrifugal.dev/docs/getting-started/installation",
        ),
        _ => return None,
    };
    find(program)
        .is_none()
        .then(|| format!("{program} is not in PATH: {how}"))
}

pub(super) fn start(
    wanted: &Wanted,
    folder: &Path,
    core: u32,
    redis: u16,
    certificate: Option<&Certificate>,
) -> Result<Program> {
    let (kind, deflate) = (wanted.kind, wanted.deflate);
    let listen = port()?;
    let write = |name: &str, text: String| -> Result<String> {
        let file = folder.join(name);
        fs::write(&file, text)?;
        Ok(file.display().to_string())
    };
    let number = listen.to_string();
    match kind {
        Kind::Limit | Kind::LimitBatched => {
            let own = std::env::current_exe()?.display().to_string();
            let address = format!("127.0.0.1:{listen}");
            let arguments = ["limit", "--seconds", "3600", "--listen", &address, "--batched"];
            let most = arguments.len() - usize::from(kind == Kind::Limit);
            run(folder, core, listen, &own, &arguments[..most])
        }
        Kind::Nats => {
            let file = write("nats.conf", nats(listen, port()?, deflate, certificate))?;
            run(folder, core, listen, &found("nats-server")?, &["-c", &file])
        }
        Kind::Nchan | Kind::NchanRedis => {
            let file = write("nginx.conf", nchan(listen, redis, folder, deflate))?;
            let dir = folder.display().to_string();
            let program = run(folder, core, listen, &found("nginx")?, &["-p", &dir, "-c", &file])?;
            // It listens before its worker is there, and that before it has Redis.
            program.wait_for("its worker", || program.pids().len() > 1)?;
            let publish =
                "POST /pub/ready HTTP/1.1\r\nHost: load\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1";
            program.wait_for("Redis", || answers(listen, publish))?;
            Ok(program)
        }
        Kind::Mosquitto => {
            let file = write("mosquitto.conf", mosquitto(listen, port()?))?;
            run(folder, core, listen, &found("mosquitto")?, &["-c", &file])
        }
        Kind::Socketio => {
            let compression = if deflate { "deflate" } else { "plain" };
            let script = modules()?.join("server.mjs").display().to_string();
            run(
                folder,
                core,
                listen,
                "node",
                &[&script, &number, &redis.to_string(), compression],
            )
        }
        Kind::Centrifugo => {
            let file = write("centrifugo.json", centrifugo(listen, redis, deflate))?;
            run(folder, core, listen, &found("centrifugo")?, &["-c", &file])
        }
        Kind::Tidegate | Kind::TidegateNoLog => anyhow::bail!("it is no peer"),
    }
}

fn found(name: &str) -> Result<String> {
    let file = find(name).with_context(|| format!("{name} is gone"))?;
    Ok(file.display().to_string())
}

fn nats(listen: u16, plain: u16, deflate: bool, certificate: Option<&Certificate>) -> String {
    let tls = certificate.map_or_else(
        || "no_tls: true".into(),
        |one| format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", one.file, one.key),
    );
    format!(
        "listen: \"127.0.0.1:{plain}\"\nmax_connections: 100000\n\
         websocket {{ listen: \"127.0.0.1:{listen}\", {tls}, compression: {deflate} }}\n"
    )
}

/// One worker; its buffer is what a topic's log is.
fn nchan(listen: u16, redis: u16, folder: &Path, deflate: bool) -> String {
    let (upstream, pass) = if redis == 0 {
        (String::new(), "")
    } else {
        (
            format!("upstream shared {{ nchan_redis_server redis://127.0.0.1:{redis}; }}"),
            "nchan_redis_pass shared;",
        )
    };
    let deflate = if deflate {
        "nchan_deflate_message_for_websocket on;"
    } else {
        ""
    };
    let folder = folder.display();
    format!(
        r"load_module {NCHAN};
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 512M;
  {upstream}
  server {{
    listen 127.0.0.1:{listen} backlog=4096;
    tcp_nodelay on;
    location ~ ^/sub/(.+)$ {{
      nchan_subscriber websocket; nchan_channel_id $1; nchan_subscriber_first_message newest; {pass}
    }}
    location ~ ^/pub/(.+)$ {{
      nchan_publisher http; nchan_channel_id $1; nchan_message_buffer_length 100; {deflate} {pass}
    }}
  }}
}}
"
    )
}

/// Version 2.0.11 does not start with nothing but a WebSocket listener.
fn mosquitto(listen: u16, plain: u16) -> String {
    format!(
        "listener {plain} 127.0.0.1\nlistener {listen} 127.0.0.1\nprotocol websockets\nallow_anonymous true\npersistence false\n\
         set_tcp_nodelay true\nlog_type error\nuser root\n"
    )
}

/// Version 6, with as much history as Tidegate has log.
fn centrifugo(listen: u16, redis: u16, deflate: bool) -> String {
    format!(
        r#"{{"http_server": {{"address": "127.0.0.1", "port": "{listen}"}}, "client": {{"insecure": true}},
"websocket": {{"compression": {deflate}}},
"engine": {{"type": "redis", "redis": {{"address": "redis://127.0.0.1:{redis}"}}}},
"channel": {{"without_namespace": {{"allow_subscribe_for_client": true, "allow_publish_for_client": true,
"allow_subscribe_for_anonymous": true, "allow_publish_for_anonymous": true,
"history_size": 100, "history_ttl": "300s", "force_positioning": true}}}}}}"#
    )
}

/// What Socket.IO needs from npm, installed once.
fn modules() -> Result<PathBuf> {
    let folder = PathBuf::from(MODULES);
    fs::create_dir_all(&folder)?;
    for name in ["package.json", "server.mjs"] {
        fs::copy(Path::new(SOCKETIO).join(name), folder.join(name))?;
    }
    if !folder.join("node_modules/socket.io").is_dir() {
        let log = fs::File::create(folder.join("npm.log"))?;
        let status = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&folder)
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()?;
        ensure!(status.success(), "npm install failed: {MODULES}/npm.log");
    }
    Ok(folder)
}
