//! Some connections that are made together and lost together. Once one of them is gone, all of them
//! are, commands in flight fail at once, and nothing of them is used again.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, FredResult};
use futures_util::future::{select_all, try_join_all};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::endpoint::Endpoint;

/// Between two looks at whether the connections answer.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// A connection that takes longer to answer a ping is lost.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Unit {
    clients: Vec<Client>,
    lost: CancellationToken,
    /// Closes the connections with the value.
    _closer: DropGuard,
}

impl Unit {
    /// Makes `count` connections.
    pub(super) async fn connect(endpoint: &Endpoint, count: usize) -> FredResult<Self> {
        let clients: Vec<Client> = (0..count).map(|_| endpoint.client()).collect();
        let lost = CancellationToken::new();
        let closer = lost.clone().drop_guard();
        let tasks = try_join_all(clients.iter().map(ClientLike::init)).await?;
        let stops: Vec<_> = tasks.iter().map(tokio::task::JoinHandle::abort_handle).collect();
        let ended = lost.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = select_all(tasks) => ended.cancel(),
                () = ended.cancelled() => {}
            }
            // Closes the sockets and fails what waits for an answer.
            for stop in stops {
                stop.abort();
            }
        });
        Ok(Self {
            clients,
            lost,
            _closer: closer,
        })
    }

    /// The connection for everything that must stay in order: the same for the same tag.
    pub(super) fn lane(&self, tag: &str) -> &Client {
        &self.clients[self.lane_of(tag)]
    }

    /// Its number.
    pub(super) fn lane_of(&self, tag: &str) -> usize {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(tag);
        let count = self.clients.len() as u64;
        usize::try_from(hash % count).unwrap_or_default()
    }

    pub(super) fn first(&self) -> &Client {
        &self.clients[0]
    }

    /// Cancelled when the connections are lost.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Looks after the connections until they are lost.
    pub(super) async fn watch(&self) {
        loop {
            tokio::select! {
                () = self.lost.cancelled() => return,
                () = tokio::time::sleep(PING_INTERVAL) => {}
            }
            let pings = try_join_all(self.clients.iter().map(|client| client.ping::<()>(None)));
            let alive = tokio::select! {
                () = self.lost.cancelled() => return,
                answers = tokio::time::timeout(PING_TIMEOUT, pings) => matches!(answers, Ok(Ok(_))),
            };
            if !alive {
                self.lost.cancel();
            }
        }
    }
}

/// Pauses between attempts: growing, and different for each node.
#[derive(Debug, Default)]
pub(super) struct Pace {
    attempts: u32,
}

impl Pace {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(2);

    pub(super) async fn pause(&mut self) {
        let most = Self::FIRST
            .saturating_mul(1 << self.attempts.min(10))
            .min(Self::LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        tokio::time::sleep(most.mul_f64(rand::random_range(0.5..1.0))).await;
    }
}
