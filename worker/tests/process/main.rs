//! The binary `tidegate-worker` and the SDK on real Redis servers, with processes that are stopped and
//! killed.

#![allow(clippy::expect_used, reason = "a failed expectation is what tests are for")]

mod crashes;
mod life;
mod program;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use prometheus::Registry;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::Link;
use tidegate_shared::config;
use tidegate_shared::job::{JobId, JobRecord};
use tidegate_shared::namespace::Namespaces;
use tidegate_shared::redis::{self, RedisMetrics};
use tidegate_shared::testing::RedisServer;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Of the workers in these tests: long enough that a busy machine does not make them lose one by itself.
pub(crate) const LEASE: Duration = Duration::from_millis(1_500);

pub(crate) async fn open(server: &RedisServer) -> Backend {
    let settings = config::Redis {
        url: server.url(),
        prefix: "tg".into(),
        ..tidegate_shared::config::Config::default().redis
    };
    let metrics = RedisMetrics::register(&Registry::new()).expect("metrics");
    let end = CancellationToken::new();
    let backend = redis::open(&settings, &Namespaces::default(), &metrics, end).expect("a backend");
    let mut link = backend.broker.link();
    let up = timeout(support::DEADLINE, link.wait_for(|link| *link == Link::Up)).await;
    up.expect("in time").expect("the backend is there");
    backend
}

pub(crate) async fn until(
    server: &RedisServer,
    id: &JobId,
    wanted: impl Fn(&JobRecord) -> bool,
) -> JobRecord {
    support::until(&open(server).await, id, wanted).await
}
