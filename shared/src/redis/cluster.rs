//! Who serves what in a Cluster, as its servers see it.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::FredResult;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::address::{Address, Server};
use super::check;
use super::commands::Commands;
use super::slots::{SLOTS, View};
use super::topology::Blind;
use super::unit::Unit;

/// How long a server may take to tell its view.
const ANSWER: Duration = Duration::from_secs(1);
/// The same, and to be connected to first.
const CONNECT: Duration = Duration::from_secs(3);
/// Servers that are remembered, in case those that the URL names are gone.
const KNOWN: usize = 64;

pub(super) struct Cluster {
    address: Address,
    /// From the last view, masters and replicas.
    known: Vec<Server>,
}

impl Cluster {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            known: Vec::new(),
        }
    }

    /// The view of the server that knows best, of those that answer: first the masters that are connected,
    /// then, if none of these knows of all slots, whoever can be reached.
    pub(super) async fn look(&mut self, commands: &Commands) -> Result<View, Blind> {
        let layout = commands.layout();
        let connected = layout.masters().iter().filter_map(|master| {
            let unit = master.unit()?;
            Some((master.endpoint.server.clone(), unit))
        });
        let asked = connected.map(async |(server, unit)| {
            let told = timeout(ANSWER, ask(unit.first(), &server)).await;
            told.ok().and_then(Result::ok)
        });
        let mut best = best(join_all(asked).await);
        if best.as_ref().is_none_or(|view| view.missing() > 0) {
            let mut others = self.address.servers.clone();
            others.extend(
                self.known
                    .iter()
                    .filter(|one| !self.address.servers.contains(one))
                    .cloned(),
            );
            let asked = join_all(others.iter().map(|server| self.ask_anew(server))).await;
            let mut why = None;
            let mut views = vec![best];
            for told in asked {
                match told {
                    Ok(view) => views.push(Some(view)),
                    Err(Blind::Ever(ever)) => return Err(Blind::Ever(ever)),
                    Err(Blind::Now(now)) => why = Some(now),
                    Err(Blind::Unserved(_)) => {}
                }
            }
            best = self::best(views);
            if best.is_none() {
                return Err(Blind::Now(why.unwrap_or_default()));
            }
        }
        let view = best.unwrap_or_else(|| View {
            epoch: 0,
            ranges: Vec::new(),
            replicas: Vec::new(),
        });
        if view.missing() > 0 {
            return Err(Blind::Unserved(view.missing()));
        }
        self.known = view.masters();
        self.known.extend(view.replicas.iter().cloned());
        self.known.truncate(KNOWN);
        Ok(view)
    }

    async fn ask_anew(&self, server: &Server) -> Result<View, Blind> {
        let endpoint = self.address.endpoint(server);
        let asking = async {
            let unit = Unit::connect(&endpoint, 1).await?;
            ask(unit.first(), server).await
        };
        match timeout(CONNECT, asking).await {
            Ok(Ok(view)) => Ok(view),
            Ok(Err(error)) if error.details().contains("cluster support disabled") => Err(Blind::Ever(
                format!("{server} is not part of a Cluster: write redis://host:port"),
            )),
            Ok(Err(error)) if error.details().contains("unknown command") => Err(Blind::Ever(format!(
                "{server} is no server of a Cluster with Redis 7.0 or newer"
            ))),
            Ok(Err(error)) => Err(Blind::Now(error.details().to_owned())),
            Err(_) => Err(Blind::Now(format!("{server} did not answer in time"))),
        }
    }
}

async fn ask(client: &Client, server: &Server) -> FredResult<View> {
    let info = check::cluster(client, "INFO")
        .await?
        .as_string()
        .unwrap_or_default();
    let epoch = check::field(&info, "cluster_current_epoch");
    let slots = check::cluster(client, "SLOTS").await?;
    let epoch = epoch.and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    Ok(View::read(slots, epoch, server))
}

/// A whole one before one that is not, and then the one with the highest epoch.
fn best(views: Vec<Option<View>>) -> Option<View> {
    let rank = |view: &View| (SLOTS - view.missing(), view.epoch);
    views.into_iter().flatten().max_by_key(rank)
}
