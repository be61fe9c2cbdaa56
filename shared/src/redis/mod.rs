//! The backend for any number of nodes: Redis 7.0 or newer, through fred. Nothing of Redis or fred is
//! visible outside this module.
//!
//! * [`Commands`] and [`Hearing`] hold the connections, each made anew by a loop of its own when lost.
//! * `lua/` has one script for each transition; `keys.rs` names every key, `entry.rs` writes and reads
//!   the entries of a log.
//! * [`broker`] and [`queue`] are the two traits on top of these.

mod absent;
mod address;
mod broker;
mod check;
mod commands;
mod entry;
mod hearing;
mod keys;
mod link;
mod metrics;
mod outlet;
mod page;
mod queue;
mod reports;
mod routes;
mod scripts;
mod subscriber;
mod unit;
mod wake;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::address::Address;
use self::commands::Commands;
use self::hearing::Hearing;
use self::keys::Keys;
use self::outlet::Outlet;
use self::queue::RedisQueue;
use self::routes::Routes;
use self::wake::Wakers;
use crate::backend::Backend;
use crate::broker::BrokerEvents;
use crate::config;
use crate::namespace::Namespaces;

pub use self::address::RedisUrlError;
pub use self::metrics::RedisMetrics;

/// A backend on Redis. Returns at once and connects in the background, for as long as it takes; how that
/// goes is told by [`Broker::link`](crate::broker::Broker::link). Ends with `shutdown`, or when the
/// backend is dropped. Call it within a Tokio runtime.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a caller hands over a token of its own"
)]
pub fn open(
    config: &config::Redis,
    namespaces: &Namespaces,
    metrics: &RedisMetrics,
    shutdown: CancellationToken,
) -> Result<Backend, RedisUrlError> {
    let address = Address::parse(&config.url)?;
    let keys = Keys::new(&config.prefix);
    let shutdown = shutdown.child_token();
    let closer = Arc::new(shutdown.clone().drop_guard());

    let commands = Arc::new(Commands::new(metrics.clone()));
    tokio::spawn(commands.clone().keep(address.clone(), shutdown.clone()));

    let (sender, events) = BrokerEvents::channel();
    let outlet = Outlet::new(sender, metrics.clone());
    let routes = Arc::new(Routes::new(outlet, commands.clone()));
    let node = uuid::Uuid::new_v4().simple().to_string();
    let hearing = Hearing::start(
        address.clone(),
        commands.clone(),
        routes,
        keys.probe(&node),
        shutdown.clone(),
    );
    let wakers = Wakers::new(address, commands.clone(), keys.clone(), shutdown);

    Ok(Backend {
        broker: Arc::new(broker::RedisBroker {
            commands: commands.clone(),
            hearing,
            keys: keys.clone(),
            namespaces: namespaces.clone(),
            events: Mutex::new(Some(events)),
            _closer: closer.clone(),
        }),
        jobs: Arc::new(RedisQueue::new(
            commands,
            wakers,
            keys,
            namespaces.clone(),
            closer,
        )),
        presence: Arc::new(absent::Absent),
        nodes: Arc::new(absent::Absent),
    })
}

/// Ends the background tasks when both halves of the backend are gone.
type Closer = Arc<DropGuard>;
