//! The gateways, the worker and nginx of a run, and what is done to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::time::sleep;

use super::book::Book;
use super::plan::{NodeFault, Step};
use crate::nginx::Nginx;
use crate::process::Process;
use crate::stack::{API_KEY, OPEN};
use crate::{admin, ports, wait};

const START: Duration = Duration::from_secs(30);
/// For a drain, which its settings end sooner, on a busy machine.
const DRAINED: Duration = Duration::from_secs(60);

/// Ports to connect to: the gateways', and nginx before them.
#[derive(Debug, Clone)]
pub struct Doors {
    pub gateways: Vec<u16>,
    pub nginx: u16,
}

impl Doors {
    /// A client's choice: now through nginx, now a node of its own choosing.
    pub fn any(&self) -> u16 {
        let mut random = rand::rng();
        match random.random_range(0..=self.gateways.len()) {
            0 => self.nginx,
            number => self.gateways[number - 1],
        }
    }

    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.any())
    }
}

#[derive(Debug)]
struct Gateway {
    port: u16,
    admin: u16,
    process: Process,
}

#[derive(Debug)]
pub struct Nodes {
    gateways: Vec<Gateway>,
    worker: Process,
    worker_admin: u16,
    nginx: Nginx,
    book: Arc<Book>,
    folder: TempDir,
    /// What is counted of gaps, recoveries and dropped messages, of gateways that are gone.
    metrics: BTreeMap<String, f64>,
}

impl Nodes {
    pub async fn start(count: usize, redis: &str, settings: &str, book: Arc<Book>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let worlds = folder.path().join("worlds");
        fs::create_dir_all(worlds.join("source"))?;
        for number in 0..40 {
            fs::write(worlds.join(format!("source/{number}")), vec![b'x'; 20_000])?;
        }
        let key = format!("{:x}", Sha256::digest(API_KEY));
        let configuration = format!(
            "[redis]\nurl = \"{redis}\"\n\n[auth]\napi_keys = [\"sha256:{key}\"]\n\n[[endpoint]]\npath = \"/ws\"\n\
             dialect = \"native\"\nanonymous = true\n\n[worker]\nlease = \"3s\"\nbackup_roots = [\"{}\"]\n{OPEN}\n{settings}",
            worlds.display()
        );
        fs::write(folder.path().join("tidegate.toml"), configuration)?;
        let doors = (0..count).map(|_| ports::free()).collect::<Result<Vec<_>>>()?;
        let nginx = Nginx::start(folder.path(), ports::free()?, &doors, None).await?;
        let mut gateways = Vec::new();
        for port in doors {
            let admin = ports::free()?;
            gateways.push(Gateway {
                port,
                admin,
                process: gateway(&folder, gateways.len(), port, admin)?,
            });
        }
        let worker_admin = ports::free()?;
        let mut nodes = Self {
            gateways,
            worker: worker(&folder, worker_admin)?,
            worker_admin,
            nginx,
            book,
            folder,
            metrics: BTreeMap::new(),
        };
        nodes.ready().await?;
        Ok(nodes)
    }

    pub fn doors(&self) -> Doors {
        Doors {
            gateways: self.gateways.iter().map(|one| one.port).collect(),
            nginx: self.nginx.port,
        }
    }

    /// Where jobs may read and write.
    pub fn worlds(&self) -> PathBuf {
        self.folder.path().join("worlds")
    }

    /// Waits until all are ready.
    pub async fn ready(&mut self) -> Result<()> {
        for gateway in &mut self.gateways {
            ready(&mut gateway.process, gateway.admin).await?;
        }
        ready(&mut self.worker, self.worker_admin).await
    }

    /// Does what the plan says, and leaves everything running.
    pub async fn run(&mut self, steps: &[Step<NodeFault>]) -> Result<()> {
        for step in steps {
            sleep(Duration::from_millis(step.pause)).await;
            self.ensure_running()?;
            self.book.fault(step.fault.kind(), format!("{:?}", step.fault));
            match step.fault {
                NodeFault::Kill { gateway, away } => self.kill(gateway, away).await?,
                NodeFault::Stop { gateway, length } => {
                    let process = &mut self.gateways[gateway].process;
                    process.pause()?;
                    sleep(Duration::from_millis(length)).await;
                    process.resume()?;
                }
                NodeFault::Drain { gateway, away } => {
                    self.save_metrics(gateway).await;
                    self.gateways[gateway].process.signal("TERM")?;
                    let status = self.gateways[gateway].process.wait(DRAINED).await?;
                    ensure!(status.success(), "a drained gateway ended with {status}");
                    self.start_again(gateway, away).await?;
                }
                NodeFault::KillWorker { away } => {
                    self.worker.kill();
                    sleep(Duration::from_millis(away)).await;
                    self.worker = worker(&self.folder, self.worker_admin)?;
                }
            }
            self.book.remark(&format!("{} is over", step.fault.kind()));
        }
        Ok(())
    }

    async fn kill(&mut self, index: usize, away: u64) -> Result<()> {
        self.save_metrics(index).await;
        self.kill_at_once(index);
        self.start_again(index, away).await
    }

    /// Tells a gateway to stop, waits for its end, starts another on its port, and waits until that is ready.
    pub async fn replace(&mut self, index: usize, limit: Duration) -> Result<()> {
        self.gateways[index].process.signal("TERM")?;
        let status = self.gateways[index].process.wait(limit).await?;
        ensure!(
            status.success(),
            "a gateway that was told to stop ended with {status}"
        );
        self.start_again(index, 0).await?;
        self.ready().await
    }

    async fn start_again(&mut self, index: usize, away: u64) -> Result<()> {
        sleep(Duration::from_millis(away)).await;
        let (port, admin) = (self.gateways[index].port, self.gateways[index].admin);
        self.gateways[index].process = gateway(&self.folder, index, port, admin)?;
        Ok(())
    }

    pub fn kill_at_once(&mut self, index: usize) {
        self.gateways[index].process.kill();
    }

    /// The process id of a gateway.
    pub fn pid(&self, index: usize) -> u32 {
        self.gateways[index].process.pid()
    }

    /// Clients of a gateway.
    pub async fn connections(&self, index: usize) -> Result<u64> {
        let number = admin::metric(self.gateways[index].admin, "tidegate_connections").await?;
        // A count, which JSON and the metrics page have as a float.
        Ok(serde_json::from_str(&format!("{number:.0}"))?)
    }

    /// A gateway or worker that ended by itself is a fault of the product.
    fn ensure_running(&mut self) -> Result<()> {
        for gateway in &mut self.gateways {
            gateway.process.ensure_running()?;
        }
        self.worker.ensure_running()
    }

    /// Fails if a process ended by itself or a task in it panicked.
    pub fn ensure_sound(&mut self) -> Result<()> {
        self.ensure_running()?;
        for process in self.gateways.iter().map(|one| &one.process).chain([&self.worker]) {
            let log = process.log();
            let panic = log.lines().find(|line| line.contains("panicked"));
            ensure!(panic.is_none(), "{}: {}", process.name, panic.unwrap_or_default());
        }
        Ok(())
    }

    /// What the gateways counted by outcome, those that were killed included.
    pub async fn metrics(&mut self) -> BTreeMap<String, f64> {
        let before = self.metrics.clone();
        for index in 0..self.gateways.len() {
            self.save_metrics(index).await;
        }
        std::mem::replace(&mut self.metrics, before)
    }

    async fn save_metrics(&mut self, index: usize) {
        // One that does not answer has nothing to say.
        let Ok(page) = admin::metrics(self.gateways[index].admin).await else {
            return;
        };
        for line in page.lines() {
            let known = [
                "tidegate_gaps_total",
                "tidegate_recoveries_total",
                "tidegate_messages_dropped_total",
            ];
            if known.iter().any(|name| line.starts_with(name))
                && let Some((name, value)) = line.rsplit_once(' ')
                && let Ok(value) = value.parse::<f64>()
            {
                let name = name.trim_start_matches("tidegate_").to_owned();
                *self.metrics.entry(name).or_default() += value;
            }
        }
    }

    pub fn logs(&self) -> String {
        let gateways = self.gateways.iter().map(|one| &one.process);
        let logs = gateways
            .chain([&self.worker, &self.nginx.process])
            .map(|one| format!("── {} ──\n{}\n", one.name, one.tail()));
        logs.collect()
    }
}

fn gateway(folder: &TempDir, index: usize, port: u16, admin: u16) -> Result<Process> {
    let args = [
        "--config".to_owned(),
        folder.path().join("tidegate.toml").display().to_string(),
        "--listen".to_owned(),
        format!("127.0.0.1:{port}"),
        "--admin-listen".to_owned(),
        format!("127.0.0.1:{admin}"),
    ];
    let name = format!("gateway-{index}");
    Process::start(&name, folder.path(), &Process::binary("tidegate-gateway")?, &args)
}

fn worker(folder: &TempDir, admin: u16) -> Result<Process> {
    let args = [
        "--config".to_owned(),
        folder.path().join("tidegate.toml").display().to_string(),
        "--admin-listen".to_owned(),
        format!("127.0.0.1:{admin}"),
    ];
    Process::start(
        "worker",
        folder.path(),
        &Process::binary("tidegate-worker")?,
        &args,
    )
}

async fn ready(process: &mut Process, admin: u16) -> Result<()> {
    let what = format!("{} to be ready", process.name);
    wait::until(START, &what, async || {
        process.ensure_running()?;
        Ok((admin::probe(admin, "readyz").await? == 200).then_some(()))
    })
    .await
    .with_context(|| process.tail())
}
