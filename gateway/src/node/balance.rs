//! Letting go of clients that a newer node could have: after a scale-up the old nodes keep all they have,
//! and a load balancer only places who is new.
//!
//! Acts only where that helps: next to a node that came within the time in which ages alone would level
//! the load, when this node has far more clients than the mean of all, down to the mean and not below.
//! Where those it lets go of come back, because the balancer sends them to the same node, it rests. Who has been
//! there longest goes, and nobody while a node drains: a client that has just had to come here is not cut again.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::clock::now_ms;
use tidegate_shared::code::CloseCode;
use tidegate_shared::nodes::{ANNOUNCE_EVERY, NodeInfo};
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::dialect::Goodbye;
use crate::outbox::Ending;

/// Far above the mean: more than this part of it, and more than so many clients.
const FAR: f64 = 0.2;
const MARGIN: u64 = 50;
/// The surplus of a moment would be gone in this time, but for the pace's bounds.
const WITHIN: Duration = Duration::from_secs(300);
/// Clients per second.
const SLOWEST: f64 = 1.0;
const FASTEST: f64 = 10.0;
/// Rounds are so much earlier or later, so that nodes don't act on the same numbers at once.
const JITTER: f64 = 0.2;
/// Rounds in a row that must find a surplus before it counts: what is known of the others is as old as their
/// last announcement, and clients of all nodes may just have come.
const STANDING: u32 = 3;
/// Rounds in a row that came to nothing, before it rests, and how many it rests.
const FUTILE: u32 = 3;
const REST: u32 = 60;
/// How long a node counts as new where connections have no greatest age.
const NEW: Duration = Duration::from_secs(3600);
/// Who is let go of comes back within this time.
const RETURN: Duration = Duration::from_secs(2);

/// What one round comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Round {
    /// Let go of so many.
    clients: u64,
    /// But stop at this number.
    mean: u64,
}

/// What earlier rounds came to.
#[derive(Debug, Default)]
struct Balance {
    /// How many clients there were, and how many of them were let go of.
    last: Option<(u64, u64)>,
    futile: u32,
    rest: u32,
    /// Rounds that found a surplus, in a row.
    standing: u32,
}

impl Balance {
    /// `own`: this node's clients; `others`: those of the other nodes that take any.
    fn round(&mut self, own: u64, others: &[u64], time: Duration) -> Option<Round> {
        if let Some((before, gone)) = self.last.take() {
            // Some come in any case; at least half of what was let go of should show.
            let is_futile = own.saturating_add(gone / 2) > before;
            self.futile = if is_futile { self.futile + 1 } else { 0 };
            if self.futile >= FUTILE {
                (self.futile, self.rest) = (0, REST);
            }
        }
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        let Some(mean) = surplus_over(own, others) else {
            self.standing = 0;
            return None;
        };
        self.standing = self.standing.saturating_add(1);
        if self.standing < STANDING {
            return None;
        }
        let surplus = own - mean;
        #[expect(clippy::cast_precision_loss, reason = "a pace, and numbers of clients")]
        let pace = (surplus as f64 / WITHIN.as_secs_f64()).clamp(SLOWEST, FASTEST);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most the fastest pace for one round"
        )]
        let clients = ((pace * time.as_secs_f64()) as u64).min(surplus);
        self.last = Some((own, clients));
        Some(Round { clients, mean })
    }
}

/// The mean of all nodes, if this one is far above it.
fn surplus_over(own: u64, others: &[u64]) -> Option<u64> {
    if others.is_empty() {
        return None;
    }
    let all: u128 = others.iter().chain([&own]).map(|one| u128::from(*one)).sum();
    let mean = u64::try_from(all.div_ceil(others.len() as u128 + 1)).ok()?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a number of clients"
    )]
    let far = (mean as f64 * FAR) as u64;
    (own > mean.saturating_add(far.max(MARGIN))).then_some(mean)
}

/// Levels the load again and again, until the node drains.
pub(super) fn start(node: &Arc<Node>, stop: CancellationToken) {
    let node = Arc::downgrade(node);
    tokio::spawn(async move {
        let mut balance = Balance::default();
        loop {
            let jitter = 1.0 - JITTER + 2.0 * JITTER * rand::random::<f64>();
            let pause = ANNOUNCE_EVERY.mul_f64(jitter);
            if stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                return;
            }
            let Some(node) = node.upgrade() else { return };
            let Some(others) = node.others().await else {
                balance.standing = 0;
                continue;
            };
            let Some(round) = balance.round(node.connections() as u64, &others, ANNOUNCE_EVERY) else {
                continue;
            };
            tracing::info!(
                clients = round.clients,
                mean = round.mean,
                "this node has far more clients than the mean of all; it lets go of some"
            );
            if stop.run_until_cancelled(node.level(round)).await.is_none() {
                return;
            }
        }
    });
}

impl Node {
    /// How many clients each of the others has; `None` if no node is new, or one lets go of its own.
    async fn others(&self) -> Option<Vec<u64>> {
        let nodes = match self.backend.nodes.list().await {
            Ok(nodes) => nodes,
            Err(error) => {
                tracing::debug!(%error, "the list of nodes cannot be read");
                return None;
            }
        };
        let max_age = self.config.connection.max_age;
        let new = if max_age.is_zero() {
            NEW
        } else {
            max_age.mul_f64(1.2)
        };
        let since = now_ms().saturating_sub(u64::try_from(new.as_millis()).unwrap_or(u64::MAX));
        let others: Vec<&NodeInfo> = nodes.iter().filter(|one| one.node != self.id).collect();
        let (is_new, drains) = (
            others.iter().any(|one| one.started_at > since),
            others.iter().any(|one| one.draining),
        );
        (is_new && !drains).then(|| others.iter().map(|one| one.connections).collect())
    }

    /// Lets go of some clients, those that came first, one after the other.
    async fn level(&self, round: Round) {
        let mut some = self.outboxes();
        let count = usize::try_from(round.clients).unwrap_or(usize::MAX);
        // A session's name begins with the time at which it came.
        if count < some.len() {
            some.select_nth_unstable_by_key(count, |outbox| outbox.session());
            some.truncate(count);
        }
        let step = ANNOUNCE_EVERY / u32::try_from(some.len().max(1)).unwrap_or(u32::MAX);
        for outbox in some {
            if self.connections() as u64 <= round.mean {
                return;
            }
            outbox.end(Ending::Orderly {
                code: CloseCode::ConnectionAged,
                goodbye: Some(Goodbye {
                    reason: "rebalance",
                    reconnect_after: RETURN.mul_f64(rand::random()),
                }),
            });
            tokio::time::sleep(step.mul_f64(2.0 * rand::random::<f64>())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use prometheus::Registry;
    use tidegate_shared::config::Config;
    use tidegate_shared::embedded::Store;
    use tidegate_shared::name::{NodeId, SessionId};

    use super::*;
    use crate::dialect::Format;
    use crate::outbox::{Outbox, Taken};

    /// A node with so many clients, next to an empty one that started at some time; what it says when it
    /// lets go of them, each of whom goes at once, in an hour.
    async fn let_go(clients: usize, peer_started_at: u64) -> Vec<Ending> {
        let config = Arc::new(Config::default());
        let store = Store::new(config.namespaces.clone());
        let stop = CancellationToken::new();
        let node = Node::start(config, store.open(), &Registry::new(), stop).expect("a fresh broker");
        let peer = NodeInfo {
            node: NodeId::parse("peer").expect("valid"),
            connections: 0,
            started_at: peer_started_at,
            ..node.info()
        };
        let nodes = &node.backend.nodes;
        nodes.announce(&peer, NEW).await.expect("announced");
        let language = Format::NATIVE;
        let mut outboxes: Vec<Arc<Outbox>> = (0..clients)
            .map(|_| Arc::new(Outbox::new(SessionId::new(), language, 1_000)))
            .collect();
        for outbox in &outboxes {
            node.enter(outbox, None);
        }
        let mut endings = Vec::new();
        for _ in 0..3_600 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for outbox in std::mem::take(&mut outboxes) {
                let taken = poll_fn(|cx| Poll::Ready(outbox.poll_take(cx))).await;
                if let Poll::Ready(Taken::End(ending)) = taken {
                    endings.push(ending);
                    node.leave(&outbox);
                } else {
                    outboxes.push(outbox);
                }
            }
        }
        endings
    }

    #[tokio::test(start_paused = true)]
    async fn next_to_a_new_node_clients_are_told_to_come_back_and_where_that_ends() {
        let endings = let_go(300, now_ms()).await;
        // With an empty node beside it, that is where the surplus is within the margin.
        assert_eq!(endings.len(), 200);
        for ending in endings {
            let Ending::Orderly {
                code: CloseCode::ConnectionAged,
                goodbye: Some(goodbye),
            } = ending
            else {
                panic!("{ending:?}")
            };
            assert_eq!(goodbye.reason, "rebalance");
            assert!(goodbye.reconnect_after <= RETURN);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn next_to_a_node_that_has_been_there_for_long_clients_stay() {
        let two_hours = 2 * 3_600 * 1_000;
        assert_eq!(let_go(300, now_ms() - two_hours).await, []);
    }

    const ROUND: Duration = Duration::from_secs(10);

    /// One that has found a surplus in the rounds before.
    fn standing() -> Balance {
        Balance {
            standing: STANDING,
            ..Balance::default()
        }
    }

    #[test]
    fn a_surplus_counts_when_it_has_been_there_for_some_rounds() {
        let mut balance = Balance::default();
        let mut acts = |others: &[u64]| balance.round(200, others, ROUND).is_some();
        assert!(
            !acts(&[0]) && !acts(&[0]),
            "the other may not have announced its clients yet"
        );
        assert!(!acts(&[200]));
        assert!(!acts(&[0]) && !acts(&[0]) && acts(&[0]));
    }

    #[test]
    fn a_node_alone_or_not_far_above_the_mean_keeps_its_clients() {
        for (own, others) in [
            (100_000, &[][..]),
            (1_000, &[1_000]),
            (1_000, &[800, 900]),
            (90, &[0]),
            (0, &[5_000]),
            (0, &[0]),
            (u64::MAX, &[u64::MAX]),
        ] {
            assert_eq!(standing().round(own, others, ROUND), None, "{own} {others:?}");
        }
    }

    #[test]
    fn the_surplus_goes_slowly_and_down_to_the_mean() {
        let round = |own, others: &[u64]| standing().round(own, others, ROUND);
        assert_eq!(
            round(6_000, &[0, 6_000]),
            Some(Round {
                clients: 66,
                mean: 4_000
            })
        );
        assert_eq!(
            round(300_000, &[0]),
            Some(Round {
                clients: 100,
                mean: 150_000
            })
        );
        assert_eq!(
            round(110, &[0]),
            Some(Round {
                clients: 10,
                mean: 55
            })
        );
        let (mut nodes, mut balance) = ([10_000_u64, 0], standing());
        let mut rounds = 0;
        while let Some(Round { clients, mean }) = balance.round(nodes[0], &nodes[1..], ROUND) {
            assert!(clients > 0 && nodes[0] - clients >= mean, "never below the mean");
            nodes = [nodes[0] - clients, nodes[1] + clients];
            rounds += 1;
        }
        assert!(nodes[0] <= 6_000, "{nodes:?}");
        assert!((30..200).contains(&rounds), "{rounds}");
    }

    #[test]
    fn it_rests_where_its_clients_come_back_to_it() {
        let mut balance = standing();
        let acted: Vec<bool> = (0..300)
            .map(|_| balance.round(10_000, &[0], ROUND).is_some())
            .collect();
        let count = acted.iter().filter(|acted| **acted).count();
        assert!(acted[0] && count <= 20, "{count}");
    }
}
