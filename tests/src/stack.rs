//! A whole installation: Redis, gateways, workers, nginx, in a directory of its own. Everything in it ends
//! with the value; when a test fails, what the processes said last is printed.

mod setup;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tidegate_shared::testing::RedisServer;

use crate::client::Client;
use crate::nginx::Nginx;
use crate::process::Process;
use crate::{admin, ports, wait};

pub use setup::{Setup, stack};

/// Time for a process to be ready.
const START: Duration = Duration::from_secs(20);
/// The key for `/api` in every stack, and its SHA-256.
pub const API_KEY: &str = "system-tests";
#[derive(Debug)]
pub struct Gateway {
    pub port: u16,
    pub admin: u16,
    /// Its name on the wire, as `welcome.node` says. Empty until it was ready.
    pub node: String,
    pub process: Process,
}

#[derive(Debug)]
pub struct Worker {
    pub admin: u16,
    pub process: Process,
}

#[derive(Debug)]
pub struct Stack {
    pub gateways: Vec<Gateway>,
    pub workers: Vec<Worker>,
    pub nginx: Nginx,
    pub redis: RedisServer,
    setup: Setup,
    folder: TempDir,
}

impl Stack {
    async fn start(setup: Setup) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-").tempdir()?;
        let arguments: &[&str] = if setup.durable {
            &["--appendonly", "yes", "--appendfsync", "always"]
        } else {
            &[]
        };
        let redis = if setup.redis {
            RedisServer::start_with(arguments).await
        } else {
            RedisServer::absent(arguments)
        }
        .context("redis-server")?;
        let ports = (0..setup.gateways)
            .map(|_| ports::free())
            .collect::<Result<Vec<_>>>()?;
        let balancer = ports::free()?;
        fs::create_dir(folder.path().join("worlds"))?;
        fs::write(
            folder.path().join("tidegate.toml"),
            configuration(&setup, &redis, balancer, folder.path()),
        )?;
        let nginx = Nginx::start(folder.path(), balancer, &ports, page().as_deref()).await?;
        let mut stack = Self {
            gateways: vec![],
            workers: vec![],
            nginx,
            redis,
            setup,
            folder,
        };
        for port in ports {
            stack.start_gateway(port)?;
        }
        for _ in 0..stack.setup.workers {
            stack.start_worker()?;
        }
        if stack.setup.redis
            && let Err(error) = stack.ready().await
        {
            stack.print_logs();
            return Err(error);
        }
        Ok(stack)
    }

    fn start_gateway(&mut self, port: u16) -> Result<()> {
        let admin = ports::free()?;
        let args = [
            "--config".to_owned(),
            self.configuration().display().to_string(),
            "--listen".to_owned(),
            format!("127.0.0.1:{port}"),
            "--admin-listen".to_owned(),
            format!("127.0.0.1:{admin}"),
        ];
        let name = format!("gateway-{}", self.gateways.len());
        let process = self.program(&name, "tidegate-gateway", &args)?;
        self.gateways.push(Gateway {
            port,
            admin,
            node: String::new(),
            process,
        });
        Ok(())
    }

    /// Kills a gateway, starts another on its port, and waits until it is ready.
    pub async fn restart_gateway(&mut self, index: usize) -> Result<()> {
        let port = self.gateways[index].port;
        self.gateways[index].process.kill();
        self.start_gateway(port)?;
        let gateway = self.gateways.swap_remove(index);
        drop(gateway);
        let gateway = &mut self.gateways[index];
        ready(&mut gateway.process, gateway.admin).await
    }

    /// Kills a gateway and starts another at its place.
    pub async fn replace_gateway(&mut self, which: usize) -> Result<()> {
        self.gateways[which].process.kill();
        let port = self.gateways[which].port;
        self.start_gateway(port)?;
        self.gateways.swap_remove(which);
        self.ready().await
    }

    /// Kills a worker and starts another.
    pub async fn replace_worker(&mut self, which: usize) -> Result<()> {
        self.workers[which].process.kill();
        self.start_worker()?;
        self.workers.swap_remove(which);
        self.ready().await
    }

    /// One more worker, which is not waited for.
    pub fn start_worker(&mut self) -> Result<()> {
        let admin = ports::free()?;
        let args = [
            "--config".to_owned(),
            self.configuration().display().to_string(),
            "--admin-listen".to_owned(),
            format!("127.0.0.1:{admin}"),
            "--concurrency".to_owned(),
            self.setup.concurrency.to_string(),
        ];
        let name = format!("worker-{}", self.workers.len());
        let process = self.program(&name, "tidegate-worker", &args)?;
        self.workers.push(Worker { admin, process });
        Ok(())
    }

    fn program(&self, name: &str, program: &str, args: &[String]) -> Result<Process> {
        let mut command = Command::new(Process::binary(program)?);
        command.args(args).envs(self.setup.environment.iter().copied());
        Process::spawn(name, self.folder(), command)
    }

    /// Waits until every gateway and worker says it is ready, and asks the gateways for their names.
    pub async fn ready(&mut self) -> Result<()> {
        for gateway in &mut self.gateways {
            ready(&mut gateway.process, gateway.admin).await?;
            let client = Client::connect(&format!("ws://127.0.0.1:{}/ws", gateway.port)).await?;
            client.node().clone_into(&mut gateway.node);
        }
        for worker in &mut self.workers {
            ready(&mut worker.process, worker.admin).await?;
        }
        Ok(())
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn configuration(&self) -> PathBuf {
        self.folder().join("tidegate.toml")
    }

    /// The one directory that backups may read and write.
    pub fn worlds(&self) -> PathBuf {
        self.folder().join("worlds")
    }

    /// Through nginx.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.nginx.port)
    }

    /// Past nginx, to one gateway.
    pub fn url_of(&self, gateway: usize) -> String {
        format!("ws://127.0.0.1:{}/ws", self.gateways[gateway].port)
    }

    /// A connection through nginx that has come out at this gateway.
    pub async fn client_on(&self, gateway: usize) -> Result<Client> {
        let node = &self.gateways[gateway].node;
        // Round robin, but other connections take their turns as well.
        for _ in 0..20 {
            let client = Client::connect(&self.url()).await?;
            if client.node() == node {
                return Ok(client);
            }
        }
        bail!("twenty connections through nginx, and none came out at {node}")
    }

    /// Index of the gateway with this name.
    pub fn gateway_named(&self, node: &str) -> Result<usize> {
        self.gateways
            .iter()
            .position(|one| one.node == node)
            .with_context(|| format!("no gateway is named {node}"))
    }

    /// `POST` to `/api` through nginx. Gives the status and the body.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<(u16, serde_json::Value)> {
        post(self.nginx.port, path, body).await
    }

    pub fn print_logs(&self) {
        let mut text = String::new();
        let gateways = self.gateways.iter().map(|one| &one.process);
        let workers = self.workers.iter().map(|one| &one.process);
        for process in gateways.chain(workers).chain([&self.nginx.process]) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "── {} ──\n{}", process.name, process.tail());
        }
        println!("{text}");
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
    }
}

pub async fn post(port: u16, path: &str, body: &serde_json::Value) -> Result<(u16, serde_json::Value)> {
    let request = reqwest::Client::new().post(format!("http://127.0.0.1:{port}{path}"));
    let answer = request.bearer_auth(API_KEY).json(body).send().await?;
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    let body = serde_json::from_str(&text).with_context(|| format!("{status}, and no JSON: {text}"))?;
    Ok((status, body))
}

async fn ready(process: &mut Process, admin: u16) -> Result<()> {
    let what = format!("{} to be ready", process.name);
    wait::until(START, &what, async || {
        process.ensure_running()?;
        Ok((admin::probe(admin, "readyz").await? == 200).then_some(()))
    })
    .await
}

/// The page of `tidegate dev`, which needs nothing but a gateway behind the same origin.
fn page() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()?
        .join("cli/src/dev/page.html");
    path.exists().then_some(path)
}

/// Lets clients do everything. Other namespaces take from this one what they don't set.
pub(crate) const OPEN: &str = "
[[namespace]]
name = \"default\"
subscribe = \"anyone\"
publish = \"anyone\"
set = \"anyone\"
history = \"anyone\"
see_presence = \"anyone\"

[jobs]
submit = \"anyone\"
follow = \"anyone\"
cancel = \"anyone\"
call = \"anyone\"
";

fn configuration(setup: &Setup, redis: &RedisServer, balancer: u16, folder: &Path) -> String {
    use sha2::{Digest, Sha256};
    let key = format!("{:x}", Sha256::digest(API_KEY));
    // Tests are quicker than clients.
    let limits = if setup.settings.contains("[limits]") {
        ""
    } else {
        "[limits]\ncommands_per_second = 0\n"
    };
    format!(
        "[redis]
url = \"{url}\"

[gateway]
allowed_origins = [\"http://127.0.0.1:{balancer}\"]

[auth]
api_keys = [\"sha256:{key}\"]

[[endpoint]]
path = \"/ws\"
dialect = \"native\"
anonymous = true

[worker]
lease = \"{lease}\"
backup_roots = [\"{worlds}\"]

{limits}
{OPEN}
{settings}",
        url = redis.url(),
        lease = setup.lease,
        worlds = folder.join("worlds").display(),
        settings = setup.settings,
    )
}
