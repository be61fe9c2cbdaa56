//! The backend for any number of nodes: Redis 7.0 or newer, through fred. Nothing of Redis or fred is
//! visible outside this module.
//!
//! * [`Topology`] finds out which masters there are: the one server, the one that Sentinels name, or those of
//!   a Cluster with their slots. What it found is a `Layout`, which [`Commands`] and [`Hearing`] follow.
//! * Each `Master` has connections for commands, and one that an `Ear` hears with, each made anew by a loop
//!   of its own when lost.
//! * `lua/` has one script for each transition; `keys.rs` names every key, `entry.rs` writes and reads
//!   the entries of a log.
//! * [`broker`], [`queue`], [`calls`], [`presence`] and [`nodes`] are the traits on top of these; [`states`] is the
//!   broker's part for state topics, and [`Ends`] has their keys ended.

mod address;
mod answers;
mod beats;
mod broker;
mod calls;
mod cause;
mod check;
mod cluster;
mod commands;
mod desk;
mod ear;
mod endpoint;
mod ends;
mod entry;
mod hearing;
mod keys;
mod layout;
mod line;
mod link;
mod master;
mod metrics;
mod nodes;
mod outlet;
mod page;
mod presence;
mod probe;
mod queue;
mod reports;
mod resp;
mod routes;
mod schedules;
mod scripts;
mod sentinel;
mod shorthand;
mod slots;
mod spelling;
mod states;
mod submission;
mod subscriber;
mod together;
mod topology;
mod unit;
mod wake;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::address::Address;
use self::answers::Answers;
use self::commands::Commands;
use self::ends::Ends;
use self::hearing::Hearing;
use self::keys::Keys;
use self::outlet::Outlet;
use self::queue::RedisQueue;
use self::routes::Routes;
use self::states::States;
use self::together::Together;
use self::topology::Topology;
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
    let address = Address::of(config)?;
    let keys = Keys::new(&config.prefix);
    let shutdown = shutdown.child_token();
    let closer = Arc::new(shutdown.clone().drop_guard());

    let commands = Arc::new(Commands::new(&address.kind, metrics.clone()));
    let (sender, events) = BrokerEvents::channel();
    let outlet = Outlet::new(sender, metrics.clone());
    let states = States {
        commands: commands.clone(),
        keys: keys.clone(),
        namespaces: namespaces.clone(),
    };
    let ends = Arc::new(Ends::default());
    let ending = (ends.clone(), states.clone(), shutdown.clone());
    tokio::spawn(async move { ending.0.run(ending.1, ending.2).await });
    let node = uuid::Uuid::new_v4().simple().to_string();
    let answers = Arc::new(Answers::default());
    let routes = Arc::new(Routes::new(
        outlet,
        ends,
        (&keys, &node, answers.clone()),
        commands.clone(),
    ));
    let topology = Topology {
        address,
        commands: commands.clone(),
        routes: routes.clone(),
        keys: keys.clone(),
        node: node.clone(),
        shutdown: shutdown.clone(),
    };
    tokio::spawn(topology.follow());
    let hearing = Hearing {
        commands: commands.clone(),
        routes,
        shutdown: shutdown.clone(),
    };
    let wakers = Wakers::new(commands.clone(), shutdown);

    let jobs = Arc::new(RedisQueue::new(
        commands.clone(),
        wakers.clone(),
        keys.clone(),
        namespaces.clone(),
        closer.clone(),
    ));
    Ok(Backend {
        broker: Arc::new(broker::RedisBroker {
            commands: commands.clone(),
            hearing,
            states,
            together: Together::new(commands.clone()),
            keys: keys.clone(),
            namespaces: namespaces.clone(),
            events: Mutex::new(Some(events)),
            _closer: closer.clone(),
        }),
        presence: Arc::new(presence::RedisPresence {
            commands: commands.clone(),
            keys: keys.clone(),
            namespaces: namespaces.clone(),
            node: node.clone(),
            _closer: closer.clone(),
        }),
        calls: Arc::new(calls::RedisCalls {
            commands: commands.clone(),
            keys: keys.clone(),
            wakers,
            answers,
            node: node.into(),
            _closer: closer.clone(),
        }),
        nodes: Arc::new(nodes::RedisNodes {
            commands: commands.clone(),
            keys: keys.clone(),
            _closer: closer.clone(),
        }),
        jobs: Arc::clone(&jobs) as _,
        desk: Arc::clone(&jobs) as _,
        schedules: jobs,
    })
}

/// Ends the background tasks when all parts of the backend are gone.
type Closer = Arc<DropGuard>;
