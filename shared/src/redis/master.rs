//! One server that takes writes, and the connections that commands to it go over: made by a loop of its own,
//! again and again, until it is no master any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fred::error::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::address::Kind;
use super::check::{self, Unfit};
use super::commands::{Commands, LOST};
use super::endpoint::Endpoint;
use super::hearing::Request;
use super::link::Part;
use super::metrics::Trouble;
use super::reports::Reports;
use super::unit::{Pace, Unit};

/// Connections for commands: to a server that is alone, and to each of several.
const LANES: usize = 4;
const LANES_OF_SEVERAL: usize = 2;

#[derive(Debug)]
pub(super) struct Master {
    /// Never used again in this process, not even for the same server.
    pub(super) id: u64,
    pub(super) endpoint: Endpoint,
    /// What is to be heard of it.
    pub(super) requests: mpsc::Sender<Request>,
    unit: watch::Sender<Option<Arc<Unit>>>,
    /// It is not a master any more, or the backend ends.
    pub(super) end: CancellationToken,
}

impl Master {
    pub(super) fn new(
        endpoint: Endpoint,
        requests: mpsc::Sender<Request>,
        end: CancellationToken,
    ) -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            endpoint,
            requests,
            unit: watch::Sender::new(None),
            end,
        })
    }

    /// The connections, if they are there.
    pub(super) fn unit(&self) -> Option<Arc<Unit>> {
        self.unit.borrow().clone()
    }

    /// Resolves when there are connections.
    pub(super) async fn connected(&self) {
        // Fails only if the sender is gone, which this value holds.
        let _ = self.unit.subscribe().wait_for(Option::is_some).await;
    }

    /// Makes the connections, again and again, until the end, or until the first ones of all show a Redis
    /// that is unfit for use.
    pub(super) async fn keep(self: Arc<Self>, commands: Arc<Commands>, kind: Kind) {
        let mut reports = Reports::new("connection to Redis");
        let server = &self.endpoint.server;
        let mut pace = Pace::default();
        loop {
            let made = tokio::select! {
                () = self.end.cancelled() => return,
                made = self.prepare(&commands, &kind) => made,
            };
            let why = match made {
                Ok(unit) => {
                    pace = Pace::default();
                    reports.connected(server);
                    let unit = Arc::new(unit);
                    self.unit.send_replace(Some(unit.clone()));
                    commands.link.set(self.id, Part::Commands, true);
                    tokio::select! {
                        () = self.end.cancelled() => {}
                        () = unit.watch() => {}
                    }
                    self.unit.send_replace(None);
                    commands.link.set(self.id, Part::Commands, false);
                    unit.lost().cancel();
                    if self.end.is_cancelled() {
                        return;
                    }
                    commands.metrics.count(Trouble::Lost);
                    LOST.to_owned()
                }
                Err(Unfit::Ever(why)) if !commands.link.was_reached() => {
                    tracing::error!("Redis at {server} is refused: {why}");
                    commands.metrics.count(Trouble::Connect);
                    commands.link.refuse(why);
                    return;
                }
                Err(Unfit::Ever(why) | Unfit::Now(why)) => {
                    commands.metrics.count(Trouble::Connect);
                    commands.link.set(self.id, Part::Commands, false);
                    why
                }
            };
            // Another may have taken its place.
            commands.doubt_layout();
            reports.broken(server, &why);
            tokio::select! {
                () = self.end.cancelled() => return,
                () = pace.pause() => {}
            }
        }
    }

    async fn prepare(&self, commands: &Commands, kind: &Kind) -> Result<Unit, Unfit> {
        let lanes = match kind {
            Kind::Cluster => LANES_OF_SEVERAL,
            Kind::Single | Kind::Sentinel { .. } => LANES,
        };
        let unit = match Unit::connect(&self.endpoint, lanes).await {
            Err(error) if error.details().contains("unknown command") => {
                return Err(Unfit::Ever(check::too_old("5 or older")));
            }
            made => made?,
        };
        let client = unit.first();
        check::fitness(client, kind).await??;
        commands.set_clock_ahead(check::clock_ahead(client).await?);
        commands.scripts.load_all(client).await?;
        Ok(unit)
    }
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Now(error.details().to_owned())
    }
}
