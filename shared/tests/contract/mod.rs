//! What [`Broker`](tidegate_shared::broker::Broker) and [`JobQueue`](tidegate_shared::job::JobQueue)
//! promise, as cases that every backend runs: implement [`World`] and call `contract!(YourWorld)`. A case
//! proves a sentence of the traits' documentation; nothing here knows a backend.

#![expect(clippy::expect_used, reason = "all of this is tests")]

pub(crate) mod broker;
pub(crate) mod calls;
#[macro_use]
mod cases;
mod ear;
pub(crate) mod jobs;
pub(crate) mod nodes;
pub(crate) mod presence;
pub(crate) mod state;

use std::fmt::Debug;
use std::time::Duration;

pub(crate) use ear::Ear;
use tidegate_shared::backend::Backend;
use tidegate_shared::job::{QueuePolicy, Queues, Rate};
use tidegate_shared::name::QueueName;
use tidegate_shared::namespace::{Namespace, Namespaces, TopicKind};

/// A backend with data of its own. Dropping it ends it.
pub(crate) trait World: Sized + Send + Sync + 'static {
    /// Empty, with the namespaces that [`namespaces`] gives.
    fn start() -> impl Future<Output = Self> + Send;

    /// One more node on the same data, whose link is up.
    fn node(&self) -> impl Future<Output = Backend> + Send;
}

/// No case may take longer.
pub(crate) const CASE_LIMIT: Duration = Duration::from_secs(60);

/// How long a case waits for a thing that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// `max_data` of the namespace `small`.
pub(crate) const SMALL: usize = 32;

/// The namespaces that the cases use:
///
/// | name | |
/// |---|---|
/// | `default` | log of 100, data up to 64 KiB |
/// | `short` | log of 5 |
/// | `long` | log of 1,500 |
/// | `fire` | no log |
/// | `bare` | bare |
/// | `small` | data up to [`SMALL`] bytes |
/// | `brief` | a log that lives for 50 ms |
/// | `state` | state |
/// | `brief-state` | state, a log that lives for 50 ms |
/// | `tiny` | state, at most 3 keys and 64 bytes, values up to [`SMALL`], no log to speak of |
/// | `mortal` | state, keys that live for 100 ms |
/// | `large` | state, log of 2,000 |
/// | `seen`, `seen-fire`, `seen-bare`, `seen-state` | as their names say, with presence and joining told |
pub(crate) fn namespaces() -> Namespaces {
    let named = |name, change: fn(&mut Namespace)| {
        let mut namespace = Namespace::new(name);
        change(&mut namespace);
        namespace
    };
    Namespaces::new(
        Namespace::new("default"),
        [
            named("short", |one| one.log_size = 5),
            named("long", |one| one.log_size = 1_500),
            named("fire", |one| one.log_size = 0),
            named("bare", |one| one.kind = TopicKind::Bare),
            named("small", |one| one.max_data = SMALL),
            named("brief", |one| one.log_ttl = Duration::from_millis(50)),
            named("state", |one| one.kind = TopicKind::State),
            named("brief-state", |one| {
                one.kind = TopicKind::State;
                one.log_ttl = Duration::from_millis(50);
            }),
            named("tiny", |one| {
                one.kind = TopicKind::State;
                one.log_size = 0;
                (one.max_keys, one.max_bytes, one.max_data) = (3, 64, SMALL);
            }),
            named("mortal", |one| {
                one.kind = TopicKind::State;
                one.key_ttl = Duration::from_millis(100);
            }),
            named("large", |one| {
                one.kind = TopicKind::State;
                one.log_size = 2_000;
            }),
            named("seen", seen),
            named("seen-fire", |one| {
                seen(one);
                one.log_size = 0;
            }),
            named("seen-bare", |one| {
                seen(one);
                one.kind = TopicKind::Bare;
            }),
            named("seen-state", |one| {
                seen(one);
                one.kind = TopicKind::State;
            }),
        ],
    )
    .with_queues(queues())
}

/// The queue whose jobs are tried again within 2 ms, and have 20 ms to end when cancelled.
pub(crate) const QUICK: &str = "quick";

/// The same, of whose jobs at most two run at once.
pub(crate) const FEW: &str = "few";

/// How many more there are like it.
pub(crate) const FEWS: u32 = 60;

/// One of them.
pub(crate) fn few(number: u32) -> String {
    format!("{FEW}-{number}")
}

/// The queue whose jobs begin at [`PACE`].
pub(crate) const PACED: &str = "paced";

pub(crate) const PACE: Rate = Rate {
    limit: 3,
    period: Duration::from_millis(150),
};

fn queues() -> Queues {
    let quick = QueuePolicy {
        retry_base: Duration::from_millis(1),
        retry_limit: Duration::from_millis(2),
        cancel_grace: Duration::from_millis(20),
        ..QueuePolicy::default()
    };
    let limited = QueuePolicy {
        max_running: 2,
        ..quick.clone()
    };
    let paced = QueuePolicy {
        rate: Some(PACE),
        ..QueuePolicy::default()
    };
    let name = |name: &str| QueueName::parse(name).expect("valid");
    Queues::new(
        QueuePolicy::default(),
        [
            (name(QUICK), quick),
            (name(FEW), limited.clone()),
            (name(PACED), paced),
        ]
        .into_iter()
        .chain((0..FEWS).map(|number| (name(&few(number)), limited.clone()))),
    )
}

fn seen(namespace: &mut Namespace) {
    (namespace.presence, namespace.join_leave) = (true, true);
}

/// Tries again until `attempt` gives something, at most for [`PATIENCE`].
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: impl Debug,
    mut attempt: impl FnMut() -> F,
) -> T {
    let trying = async {
        loop {
            if let Some(value) = attempt().await {
                return value;
            }
            // The pause between two looks, so that the wait does not keep a core busy.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trying)
        .await
        .unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what:?}"))
}
