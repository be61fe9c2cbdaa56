//! Finds out who the masters are, has each connected to, and does so again regularly and whenever somebody
//! was sent elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::address::{Address, Kind, Server};
use super::check::Unfit;
use super::cluster::Cluster;
use super::commands::Commands;
use super::ear::{Ear, Post};
use super::hearing::{REQUESTS, Request};
use super::keys::Keys;
use super::layout::Layout;
use super::master::Master;
use super::metrics::Trouble;
use super::reports::Reports;
use super::routes::Routes;
use super::sentinel::Sentinels;
use super::slots::View;
use super::unit::Pace;

/// Between two looks. Slots that have moved must be noticed within ten seconds.
const LOOK: Duration = Duration::from_secs(2);
/// Between two looks that somebody asked for.
const SOON: Duration = Duration::from_millis(50);
/// How long a Cluster may have slots that no server serves until it is refused: long enough to make one.
const UNSERVED: Duration = Duration::from_secs(10);

pub(super) struct Topology {
    pub(super) address: Address,
    pub(super) commands: Arc<Commands>,
    pub(super) routes: Arc<Routes>,
    pub(super) keys: Keys,
    /// This node's name.
    pub(super) node: String,
    pub(super) shutdown: CancellationToken,
}

/// Who is asked.
enum Source {
    Cluster(Cluster),
    Sentinels(Sentinels),
}

/// Why a look showed nothing.
pub(super) enum Blind {
    /// What to change; further looks show the same.
    Ever(String),
    /// So many slots are served by nobody. All of them are in a Cluster that is being made.
    Unserved(u16),
    Now(String),
}

impl Topology {
    /// Until the end, or until it is clear that there is no use in it.
    pub(super) async fn follow(self) {
        let mut source = match &self.address.kind {
            Kind::Single => {
                for server in &self.address.servers {
                    self.apply(View::alone(server.clone(), 0));
                }
                return;
            }
            Kind::Cluster => Source::Cluster(Cluster::new(self.address.clone())),
            Kind::Sentinel { service } => {
                Source::Sentinels(Sentinels::new(self.address.clone(), service.clone()))
            }
        };
        let (what, name) = match &source {
            Source::Cluster(_) => ("Cluster", "the Cluster"),
            Source::Sentinels(_) => ("answer of the Sentinels", "the service behind the Sentinels"),
        };
        let mut reports = Reports::new(what);
        let mut blind = false;
        let mut pace = Pace::default();
        let mut unserved: Option<Instant> = None;
        loop {
            let look = tokio::select! {
                () = self.shutdown.cancelled() => return,
                look = source.look(&self.commands) => look,
            };
            let why = match look {
                Ok(view) => {
                    if blind {
                        reports.connected(&self.address);
                    }
                    (blind, pace, unserved) = (false, Pace::default(), None);
                    self.apply(view);
                    self.wait().await;
                    continue;
                }
                Err(Blind::Ever(why)) => {
                    unserved = None;
                    if !self.commands.link.was_reached() {
                        return self.refuse(name, why);
                    }
                    why
                }
                Err(Blind::Unserved(slots)) => {
                    let why = format!(
                        "{slots} of its slots are served by no server: assign them \
                         (redis-cli --cluster fix, or --cluster create)"
                    );
                    let since = *unserved.get_or_insert_with(Instant::now);
                    // One without any slots is only just being made.
                    if slots == super::slots::SLOTS {
                        unserved = None;
                    } else if since.elapsed() > UNSERVED && !self.commands.link.was_reached() {
                        return self.refuse(name, why);
                    }
                    why
                }
                Err(Blind::Now(why)) => {
                    unserved = None;
                    why
                }
            };
            blind = true;
            self.commands.metrics.count(Trouble::Connect);
            reports.broken(&self.address, &why);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = pace.pause() => {}
            }
        }
    }

    fn refuse(&self, name: &str, why: String) {
        tracing::error!("{name} at {} is refused: {why}", self.address);
        self.commands.metrics.count(Trouble::Connect);
        self.commands.link.refuse(why);
    }

    /// Until the next look.
    async fn wait(&self) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            // Each node at another time.
            () = tokio::time::sleep(LOOK.mul_f64(rand::random_range(0.5..1.0))) => {}
            () = self.commands.layout_doubted() => tokio::time::sleep(SOON).await,
        }
    }

    fn apply(&self, view: View) {
        let old = self.commands.layout();
        if old.shows(&view) {
            return;
        }
        let servers = view.masters();
        let mut new = Vec::new();
        let masters = servers.iter().map(|server| {
            old.at(server).cloned().unwrap_or_else(|| {
                let (requests, receiver) = mpsc::channel(REQUESTS);
                let endpoint = self.address.endpoint(server);
                let master = Master::new(endpoint, requests, self.shutdown.child_token());
                new.push((master.clone(), receiver));
                master
            })
        });
        let masters: Vec<Arc<Master>> = masters.collect();
        if !old.masters().is_empty() && servers != old_servers(&old) {
            let names: Vec<String> = servers.iter().map(Server::to_string).collect();
            tracing::info!("the masters at {} are now {}", self.address, names.join(", "));
        }
        self.commands.set_layout(Layout::new(masters, view));
        // Not before the layout has them: what is told of a master that is not there counts for nothing.
        for (master, requests) in new {
            self.connect(master, requests);
        }
        for gone in old
            .masters()
            .iter()
            .filter(|one| !servers.contains(&one.endpoint.server))
        {
            gone.end.cancel();
        }
    }

    /// Connects to a new master.
    fn connect(&self, master: Arc<Master>, requests: mpsc::Receiver<Request>) {
        let keeping = master.clone();
        tokio::spawn(keeping.keep(self.commands.clone(), self.address.kind.clone()));
        let post = Post {
            master,
            commands: self.commands.clone(),
            routes: self.routes.clone(),
            keys: self.keys.clone(),
            node: self.node.clone(),
        };
        tokio::spawn(Ear { post, requests }.run());
    }
}

fn old_servers(layout: &Layout) -> Vec<Server> {
    let mut servers: Vec<Server> = layout
        .masters()
        .iter()
        .map(|one| one.endpoint.server.clone())
        .collect();
    servers.sort();
    servers
}

impl Source {
    async fn look(&mut self, commands: &Commands) -> Result<View, Blind> {
        match self {
            Self::Cluster(cluster) => cluster.look(commands).await,
            Self::Sentinels(sentinels) => sentinels.look().await,
        }
    }
}

impl From<Unfit> for Blind {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Ever(why) => Self::Ever(why),
            Unfit::Now(why) => Self::Now(why),
        }
    }
}
