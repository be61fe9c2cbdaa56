//! The contract suites on a Cluster of three masters. It takes two seconds to start, so the cases of a suite
//! share one: each has keys of its own.

mod failover;
mod layout;
mod moving;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::{self, StreamExt};
use prometheus::Registry;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::Link;
use tidegate_shared::testing::RedisCluster;

use crate::contract::{CASE_LIMIT, World};
use crate::on_redis::{open, open_with_prefix, until};

/// Cases that run at the same time. Those of the broker do not: the channels of bare topics have the same
/// names whatever the prefix.
fn at_once(name: &str) -> usize {
    if name.starts_with("broker::") { 1 } else { 6 }
}

struct OnCluster {
    cluster: Arc<RedisCluster>,
    worlds: Arc<AtomicU32>,
    prefix: String,
}

impl World for OnCluster {
    async fn start() -> Self {
        Self {
            cluster: Arc::new(RedisCluster::start().await.expect("a Cluster")),
            worlds: Arc::default(),
            prefix: "tg".to_owned(),
        }
    }

    async fn node(&self) -> Backend {
        let node = open_with_prefix(self.cluster.url(), &self.prefix, &Registry::new());
        until(&node, |link| *link == Link::Up).await;
        node
    }
}

impl OnCluster {
    /// Empty, on the same Cluster.
    fn beside(&self) -> Self {
        Self {
            cluster: self.cluster.clone(),
            worlds: self.worlds.clone(),
            prefix: format!("tg{}", self.worlds.fetch_add(1, Ordering::Relaxed)),
        }
    }

    async fn all(cases: Vec<(&str, LocalBoxFuture<'static, ()>)>) {
        let at_once = cases.first().map_or(1, |(name, _)| at_once(name));
        let run = stream::iter(cases).map(async |(name, case)| {
            match tokio::time::timeout(CASE_LIMIT, AssertUnwindSafe(case).catch_unwind()).await {
                Ok(Ok(())) => None,
                Ok(Err(_)) => Some(name.to_owned()),
                Err(_) => Some(format!("{name} (not done within {CASE_LIMIT:?})")),
            }
        });
        let failed: Vec<String> = run
            .buffer_unordered(at_once)
            .filter_map(std::future::ready)
            .collect()
            .await;
        assert!(failed.is_empty(), "failed: {failed:#?}");
    }
}

contract!(OnCluster, together);

/// A node whose link is up.
async fn node(cluster: &RedisCluster) -> Backend {
    let node = open(cluster.url(), &Registry::new());
    until(&node, |link| *link == Link::Up).await;
    node
}
