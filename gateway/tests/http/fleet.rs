//! Nodes that share a backend: memory, or a real Redis of the test's own. What nodes do together is
//! tested on both, by the same tests.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tidegate_gateway::Options;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::Link;
use tidegate_shared::config::{self, Config};
use tidegate_shared::embedded::Store;
use tidegate_shared::redis::{self, RedisMetrics};
use tidegate_shared::testing::RedisServer;
use tokio_util::sync::CancellationToken;

use crate::node::Node;

/// For a Redis on a busy machine to be there.
const START: Duration = Duration::from_secs(30);

/// What the nodes of a test stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    Memory,
    Redis,
}

pub(crate) struct Fleet {
    config: Config,
    store: Shared,
}

enum Shared {
    Memory(Arc<Store>),
    Redis(RedisServer),
}

impl Ground {
    pub(crate) async fn fleet(self, config: Config) -> Fleet {
        let store = match self {
            Self::Memory => Shared::Memory(Store::new(config.namespaces.clone())),
            Self::Redis => Shared::Redis(RedisServer::start().await.expect("redis-server")),
        };
        Fleet { config, store }
    }

    /// Two nodes, and what keeps their backend alive.
    pub(crate) async fn two(self, config: Config) -> (Node, Node, Fleet) {
        let fleet = self.fleet(config).await;
        (fleet.node().await, fleet.node().await, fleet)
    }
}

impl Fleet {
    pub(crate) async fn node(&self) -> Node {
        Node::start_on(self.backend().await, self.config.clone(), Options::default())
    }

    /// One more node's handle on the backend, connected.
    pub(crate) async fn backend(&self) -> Backend {
        let server = match &self.store {
            Shared::Memory(store) => return store.open(),
            Shared::Redis(server) => server,
        };
        let config = config::Redis {
            url: server.url(),
            ..self.config.redis.clone()
        };
        let metrics = RedisMetrics::register(&Registry::new()).expect("metrics");
        let namespaces = &self.config.namespaces;
        let backend =
            redis::open(&config, namespaces, &metrics, CancellationToken::new()).expect("a valid URL");
        let mut link = backend.broker.link();
        let up = link.wait_for(|link| *link == Link::Up);
        tokio::time::timeout(START, up)
            .await
            .expect("Redis answers in time")
            .expect("the backend is there");
        backend
    }

    /// The server, if it is Redis.
    pub(crate) fn redis(&self) -> &RedisServer {
        match &self.store {
            Shared::Redis(server) => server,
            Shared::Memory(_) => panic!("this is not on Redis"),
        }
    }
}

/// Tests of these names, each on every ground, for functions that take one.
macro_rules! on_every_ground {
    ($($case:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $case() {
                Box::pin(super::$case(crate::fleet::Ground::Memory)).await;
            })+
        }
        mod on_redis {
            $(#[tokio::test]
            async fn $case() {
                Box::pin(super::$case(crate::fleet::Ground::Redis)).await;
            })+
        }
    };
}

pub(crate) use on_every_ground;
