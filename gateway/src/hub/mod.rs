//! Who listens to what on this node, and the way of a publication from the broker to its subscribers.
//!
//! What subscribers are promised: the offsets they are handed are contiguous, or they are told which
//! they missed. Locks are held for as long as it takes to fill outboxes, never across an await.

mod attach;
mod catch_up;
mod delivery;
mod ending;
mod entry;
mod events;
mod feed;
mod join;
mod list;
mod mentions;
mod metrics;
mod reached;
mod reading;
mod repair;
mod shard;
mod subscribers;
#[cfg(test)]
mod tests;
mod tops;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hashbrown::DefaultHashBuilder;
use parking_lot::Mutex;
use prometheus::Registry;
use tidegate_shared::broker::{Broker, BrokerEvents};
use tidegate_shared::config::Config;
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::outbox::{self, Outbox};
use delivery::Delivery;

pub(crate) use reading::Standing;

const SHARDS: usize = 64;
/// How often idle topics and failed repairs are looked after.
const SWEEP: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Box<[Mutex<shard::Shard>]>,
    hasher: DefaultHashBuilder,
    config: Arc<Config>,
    broker: Arc<dyn Broker>,
    repairs: repair::Repairs,
    metrics: Metrics,
}

struct Metrics {
    hub: metrics::HubMetrics,
    outbox: Arc<outbox::Metrics>,
}

impl Hub {
    pub(crate) fn new(
        config: Arc<Config>,
        broker: Arc<dyn Broker>,
        outbox: Arc<outbox::Metrics>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let hub = metrics::HubMetrics::register(registry)?;
        let shards = (0..SHARDS)
            .map(|_| Mutex::new(shard::Shard::new(config.clone(), hub.topics.clone())))
            .collect();
        Ok(Self {
            inner: Arc::new(Inner {
                shards,
                hasher: DefaultHashBuilder::default(),
                config,
                broker,
                repairs: repair::Repairs::default(),
                metrics: Metrics { hub, outbox },
            }),
        })
    }

    /// How many subscriptions and topics there are.
    pub(crate) fn size(&self) -> (u64, u64) {
        let hub = &self.metrics().hub;
        let count = |gauge: &prometheus::IntGauge| u64::try_from(gauge.get()).unwrap_or_default();
        (count(&hub.subscriptions), count(&hub.topics))
    }

    /// Tells one client something that is on no log.
    pub(crate) fn send(&self, to: &Arc<Outbox>, publication: &Publication) {
        Delivery::new(&self.metrics().outbox).publication(to, publication);
    }

    /// The attached topics whose namespaces have presence.
    pub(crate) fn with_presence(&self) -> Vec<Topic> {
        let namespaces = &self.config().namespaces;
        let of_shard = |shard: &Mutex<shard::Shard>| {
            let shard = shard.lock();
            let topics = shard.topics.keys().filter(|topic| namespaces.of(topic).presence);
            topics.cloned().collect::<Vec<_>>()
        };
        self.shards().iter().flat_map(of_shard).collect()
    }

    /// Hears the broker and keeps house until `stop`. What nodes tell each other goes on to `control`.
    pub(crate) fn start(&self, events: BrokerEvents, control: mpsc::Sender<Bytes>, stop: CancellationToken) {
        tokio::spawn(events::run(self.clone(), events, control, stop.clone()));
        tokio::spawn(self.clone().watch_tops(stop.clone()));
        tokio::spawn(self.clone().keep_house(stop));
    }

    async fn keep_house(self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(SWEEP))
            .await
            .is_some()
        {
            self.retry_repairs();
            self.sweep(Instant::now()).await;
        }
    }

    fn shard(&self, topic: &Topic) -> &Mutex<shard::Shard> {
        let hash = self.inner.hasher.hash_one(topic);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        &self.inner.shards[index]
    }

    fn shards(&self) -> &[Mutex<shard::Shard>] {
        &self.inner.shards
    }

    fn config(&self) -> &Config {
        &self.inner.config
    }

    fn broker(&self) -> &dyn Broker {
        &*self.inner.broker
    }

    fn repairs(&self) -> &repair::Repairs {
        &self.inner.repairs
    }

    fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
