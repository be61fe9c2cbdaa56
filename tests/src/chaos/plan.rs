//! Which faults happen, when and for how long: a pure function of the seed.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// Milliseconds of a round in which faults begin.
pub const ROUND: u64 = 24_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFault {
    /// SIGKILL, and started again after a while.
    Kill { gateway: usize, away: u64 },
    /// SIGSTOP, and SIGCONT after a while.
    Stop { gateway: usize, length: u64 },
    /// SIGTERM: it sends its clients away and ends; started again after a while.
    Drain { gateway: usize, away: u64 },
    /// The worker is killed and started again.
    KillWorker { away: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisFault {
    /// `CLIENT KILL TYPE pubsub`.
    KillPubsub,
    /// `CLIENT KILL TYPE normal`.
    KillNormal,
    /// SIGSTOP, and SIGCONT after a while.
    Pause {
        length: u64,
    },
    /// Killed; it comes back with nothing in it.
    RestartEmpty {
        away: u64,
    },
    /// Killed; it comes back with what its append-only file has.
    RestartKept {
        away: u64,
    },
    /// The proxy holds everything back.
    Stall {
        length: u64,
    },
    /// The proxy holds back what Redis says.
    Deafen {
        length: u64,
    },
    Cut,
    HalfClose,
    /// The proxy cuts everything and lets nobody in.
    Refuse {
        length: u64,
    },
    /// The replica stops following, the primary acknowledges more for a while, and then the replica takes
    /// its place: what was acknowledged is lost, and its offsets are used again.
    Failover {
        lost: u64,
    },
    /// As `Failover`, but connections that exist stay with the old primary for a while.
    Split {
        lost: u64,
        length: u64,
    },
}

impl NodeFault {
    pub fn kind(self) -> &'static str {
        match self {
            Self::Kill { .. } => "gateway killed",
            Self::Stop { .. } => "gateway stopped",
            Self::Drain { .. } => "gateway drained",
            Self::KillWorker { .. } => "worker killed",
        }
    }
}

impl RedisFault {
    pub fn kind(self) -> &'static str {
        match self {
            Self::KillPubsub => "Pub/Sub clients killed",
            Self::KillNormal => "command clients killed",
            Self::Pause { .. } => "Redis paused",
            Self::RestartEmpty { .. } => "Redis restarted empty",
            Self::RestartKept { .. } => "Redis restarted with AOF",
            Self::Stall { .. } => "proxy stalled",
            Self::Deafen { .. } => "proxy deaf",
            Self::Cut => "proxy cut",
            Self::HalfClose => "proxy half-closed",
            Self::Refuse { .. } => "proxy refused",
            Self::Failover { .. } => "failover with loss",
            Self::Split { .. } => "split brain",
        }
    }

    pub fn loses_data(self) -> bool {
        matches!(
            self,
            Self::RestartEmpty { .. } | Self::Failover { .. } | Self::Split { .. }
        )
    }

    fn length(self) -> u64 {
        match self {
            Self::KillPubsub | Self::KillNormal | Self::Cut | Self::HalfClose => 0,
            Self::Pause { length }
            | Self::Stall { length }
            | Self::Deafen { length }
            | Self::Refuse { length } => length,
            Self::RestartEmpty { away } | Self::RestartKept { away } => away + 300,
            Self::Failover { lost } => lost + 300,
            Self::Split { lost, length } => lost + length + 300,
        }
    }
}

/// A fault, and how long to wait before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<F> {
    pub pause: u64,
    pub fault: F,
}

/// Two lists that run at the same time: what happens to the nodes, and what to Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub nodes: Vec<Step<NodeFault>>,
    pub redis: Vec<Step<RedisFault>>,
}

/// Draws the kinds of faults one after the other like cards, so that all of them come soon. In every
/// second round Redis loses nothing, so that nothing that was acknowledged may be missing.
#[derive(Debug)]
pub struct Planner {
    random: SmallRng,
    cards: Vec<usize>,
    gateways: usize,
    rounds: u32,
}

/// Kinds of faults by which Redis loses nothing; the others come after them.
const HARMLESS: usize = 9;
const CARDS: usize = 12;

impl Planner {
    pub fn new(seed: u64, gateways: usize) -> Self {
        Self {
            random: SmallRng::seed_from_u64(seed),
            cards: Vec::new(),
            gateways,
            rounds: 0,
        }
    }

    /// The next round.
    pub fn plan(&mut self) -> Plan {
        let mut nodes = Vec::new();
        let mut at = 0;
        while at < ROUND {
            let pause = self.random.random_range(500..4_000);
            let fault = self.node_fault();
            at += pause
                + match fault {
                    NodeFault::Kill { away, .. }
                    | NodeFault::Drain { away, .. }
                    | NodeFault::KillWorker { away } => away,
                    NodeFault::Stop { length, .. } => length,
                };
            nodes.push(Step { pause, fault });
        }
        self.rounds += 1;
        let mut redis = Vec::new();
        let mut at = 0;
        while at < ROUND {
            let pause = self.random.random_range(100..2_500);
            let fault = self.redis_fault();
            at += pause + fault.length();
            redis.push(Step { pause, fault });
        }
        Plan { nodes, redis }
    }

    fn node_fault(&mut self) -> NodeFault {
        let gateway = self.random.random_range(0..self.gateways);
        match self.random.random_range(0..6) {
            0 | 1 => NodeFault::Kill {
                gateway,
                away: self.random.random_range(100..3_000),
            },
            2 | 3 => NodeFault::Stop {
                gateway,
                length: self.random.random_range(200..12_000),
            },
            4 => NodeFault::Drain {
                gateway,
                away: self.random.random_range(100..2_000),
            },
            _ => NodeFault::KillWorker {
                away: self.random.random_range(100..2_000),
            },
        }
    }

    fn redis_fault(&mut self) -> RedisFault {
        let kinds = if self.rounds.is_multiple_of(2) {
            HARMLESS
        } else {
            CARDS
        };
        self.cards.retain(|card| *card < kinds);
        if self.cards.is_empty() {
            self.cards = (0..kinds).collect();
            self.cards.shuffle(&mut self.random);
        }
        let length = self.random.random_range(200..6_000);
        let away = self.random.random_range(100..2_500);
        let lost = self.random.random_range(200..1_500);
        match self.cards.pop() {
            Some(0) => RedisFault::KillPubsub,
            Some(1) => RedisFault::KillNormal,
            Some(2) => RedisFault::Pause { length },
            Some(3) => RedisFault::RestartKept { away },
            Some(4) => RedisFault::Stall { length },
            Some(5) => RedisFault::Deafen { length },
            Some(6) => RedisFault::HalfClose,
            Some(7) => RedisFault::Refuse { length: away },
            Some(9) => RedisFault::RestartEmpty { away },
            Some(10) => RedisFault::Failover { lost },
            Some(11) => RedisFault::Split { lost, length: away },
            _ => RedisFault::Cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
        let plan = |seed| Planner::new(seed, 3).plan();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn in_every_second_round_redis_loses_nothing() {
        let mut planner = Planner::new(1, 3);
        let loses = |plan: &Plan| plan.redis.iter().any(|step| step.fault.loses_data());
        let rounds: Vec<bool> = (0..20).map(|_| loses(&planner.plan())).collect();
        assert!(rounds.iter().skip(1).step_by(2).all(|loses| !loses), "{rounds:?}");
        assert!(rounds.iter().any(|loses| *loses), "{rounds:?}");
    }

    #[test]
    fn every_kind_of_fault_comes_within_a_few_rounds() {
        let mut planner = Planner::new(1, 3);
        let mut kinds = HashSet::new();
        for _ in 0..6 {
            let plan = planner.plan();
            kinds.extend(plan.nodes.iter().map(|step| step.fault.kind()));
            kinds.extend(plan.redis.iter().map(|step| step.fault.kind()));
        }
        assert_eq!(kinds.len(), CARDS + 4, "{kinds:?}");
    }
}
