//! The contract suites on a real Redis and on a real Cluster, and what only a real Redis can do: disappear,
//! hang, forget its scripts, hold what others wrote into it, move, fail over.

#![expect(clippy::expect_used, reason = "all of this is tests")]

#[macro_use]
mod contract;
mod on_cluster;
mod on_redis;

use contract::World;
use tidegate_shared::backend::Backend;
use tidegate_shared::testing::RedisServer;

struct OnRedis(RedisServer);

impl World for OnRedis {
    async fn start() -> Self {
        Self(RedisServer::start().await.expect("redis-server"))
    }

    async fn node(&self) -> Backend {
        on_redis::node(&self.0).await
    }
}

contract!(OnRedis);
