//! nginx before the gateways, round robin, with a configuration and a directory of its own and no
//! privileges.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::wait;

#[derive(Debug)]
pub struct Nginx {
    pub port: u16,
    pub process: Process,
}

impl Nginx {
    /// `page` is served at `/`; everything else goes to the gateways.
    pub async fn start(folder: &Path, port: u16, gateways: &[u16], page: Option<&Path>) -> Result<Self> {
        let servers: Vec<String> = gateways
            .iter()
            .map(|port| format!("        server 127.0.0.1:{port} max_fails=0;\n"))
            .collect();
        let page = page.map_or(String::new(), |page| {
            let (folder, name) = (
                page.parent().unwrap_or(page),
                page.file_name().unwrap_or_default(),
            );
            format!(
                "        location = / {{ root {}; try_files /{} =404; }}\n",
                folder.display(),
                name.display()
            )
        });
        let path = folder.join("nginx.conf");
        fs::write(&path, configuration(folder, port, &servers.concat(), &page))?;
        let args = ["-p", ".", "-c", "nginx.conf", "-e", "stderr"];
        let mut command = std::process::Command::new(program()?);
        command.args(args).current_dir(folder);
        let mut nginx = Self {
            port,
            process: Process::spawn("nginx", folder, command)?,
        };
        wait::until(Duration::from_secs(10), "nginx to listen", async || {
            nginx.process.ensure_running()?;
            Ok(Some(TcpStream::connect(("127.0.0.1", port)).await?))
        })
        .await?;
        Ok(nginx)
    }
}

fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("nginx"))
        .find(|file| file.is_file())
        .context("nginx is not installed; `cargo xtask test` installs it or says how")
}

fn configuration(folder: &Path, port: u16, servers: &str, page: &str) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
master_process off;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type text/html;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream gateways {{
{servers}    }}
    server {{
        listen 127.0.0.1:{port};
{page}        # As nginx is installed: buffered, HTTP/1.0 to the gateways, 60 s without a byte.
        location /events {{
            proxy_pass http://gateways;
        }}
        location / {{
            proxy_pass http://gateways;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_buffering off;
            proxy_connect_timeout 2s;
            proxy_read_timeout 75s;
            proxy_next_upstream error timeout http_503;
        }}
    }}
}}
"
    )
}
