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
    /// The Sentinels are asked to make the replica the master, though nothing is wrong.
    Handover,
    /// A slot of the Cluster moves to another master with its keys, half of them there for so long.
    Migrate {
        which: usize,
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
            Self::Handover => "failover on request",
            Self::Migrate { .. } => "slot moved",
        }
    }

    pub fn loses_data(self) -> bool {
        matches!(
            self,
            Self::RestartEmpty { .. } | Self::Failover { .. } | Self::Split { .. } | Self::Handover
        )
    }

    fn length(self) -> u64 {
        match self {
            Self::KillPubsub | Self::KillNormal | Self::Cut | Self::HalfClose => 0,
            Self::Pause { length }
            | Self::Stall { length }
            | Self::Deafen { length }
            | Self::Migrate { length, .. }
            | Self::Refuse { length } => length,
            Self::Handover => 1_000,
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

/// What Redis is in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One server behind the proxy, with a replica that can take its place.
    Single,
    /// A master and a replica under a Sentinel.
    Sentinel,
    /// Three masters.
    Cluster,
}

/// Numbers for whatever a fault needs.
#[derive(Debug, Clone, Copy)]
struct Dice {
    length: u64,
    away: u64,
    lost: u64,
    /// Too short for anybody to take somebody else's place.
    moment: u64,
    which: usize,
}

type Card = fn(Dice) -> RedisFault;

/// Kinds of faults by which Redis loses nothing, and by which it does.
struct Deck {
    harmless: &'static [Card],
    lossy: &'static [Card],
}

const SINGLE: Deck = Deck {
    harmless: &[
        |_| RedisFault::KillPubsub,
        |_| RedisFault::KillNormal,
        |dice| RedisFault::Pause { length: dice.length },
        |dice| RedisFault::RestartKept { away: dice.away },
        |dice| RedisFault::Stall { length: dice.length },
        |dice| RedisFault::Deafen { length: dice.length },
        |dice| RedisFault::Refuse { length: dice.away },
        |_| RedisFault::HalfClose,
        |_| RedisFault::Cut,
    ],
    lossy: &[
        |dice| RedisFault::RestartEmpty { away: dice.away },
        |dice| RedisFault::Failover { lost: dice.lost },
        |dice| RedisFault::Split {
            lost: dice.lost,
            length: dice.away,
        },
    ],
};

const SENTINEL: Deck = Deck {
    harmless: &[
        |_| RedisFault::KillPubsub,
        |_| RedisFault::KillNormal,
        |dice| RedisFault::Pause { length: dice.moment },
    ],
    lossy: &[
        |_| RedisFault::Handover,
        |dice| RedisFault::Failover { lost: dice.lost },
        |dice| RedisFault::Split {
            lost: dice.lost,
            length: dice.away,
        },
    ],
};

const CLUSTER: Deck = Deck {
    harmless: &[
        |_| RedisFault::KillPubsub,
        |_| RedisFault::KillNormal,
        |dice| RedisFault::Pause { length: dice.length },
        |dice| RedisFault::Migrate {
            which: dice.which,
            length: dice.away,
        },
        |dice| RedisFault::Migrate {
            which: dice.which,
            length: 0,
        },
    ],
    lossy: &[|dice| RedisFault::RestartEmpty { away: dice.away }],
};

/// Draws the kinds of faults one after the other like cards, so that all of them come soon. In every
/// second round Redis loses nothing, so that nothing that was acknowledged may be missing.
#[derive(Debug)]
pub struct Planner {
    random: SmallRng,
    mode: Mode,
    cards: Vec<Card>,
    gateways: usize,
    rounds: u32,
}

impl Planner {
    pub fn new(seed: u64, mode: Mode, gateways: usize) -> Self {
        Self {
            random: SmallRng::seed_from_u64(seed),
            mode,
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
        if self.rounds.is_multiple_of(2) {
            self.shuffle();
        }
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
        if self.cards.is_empty() {
            self.shuffle();
        }
        let dice = Dice {
            length: self.random.random_range(200..6_000),
            away: self.random.random_range(100..2_500),
            lost: self.random.random_range(200..1_500),
            moment: self.random.random_range(100..1_000),
            which: self.random.random_range(0..1_000),
        };
        self.cards.pop().map_or(RedisFault::KillPubsub, |card| card(dice))
    }

    fn shuffle(&mut self) {
        let Deck { harmless, lossy } = match self.mode {
            Mode::Single => SINGLE,
            Mode::Sentinel => SENTINEL,
            Mode::Cluster => CLUSTER,
        };
        self.cards.clear();
        self.cards.extend(harmless);
        if !self.rounds.is_multiple_of(2) {
            self.cards.extend(lossy);
        }
        self.cards.shuffle(&mut self.random);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
        let plan = |seed| Planner::new(seed, Mode::Single, 3).plan();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn in_every_second_round_redis_loses_nothing() {
        for mode in [Mode::Single, Mode::Sentinel, Mode::Cluster] {
            let mut planner = Planner::new(1, mode, 3);
            let loses = |plan: &Plan| plan.redis.iter().any(|step| step.fault.loses_data());
            let rounds: Vec<bool> = (0..20).map(|_| loses(&planner.plan())).collect();
            assert!(rounds.iter().skip(1).step_by(2).all(|loses| !loses), "{rounds:?}");
            assert!(rounds.iter().any(|loses| *loses), "{rounds:?}");
        }
    }

    #[test]
    fn every_kind_of_fault_comes_within_a_few_rounds() {
        // Besides those of the nodes; slots move in one way, now fast, now slowly.
        for (mode, count) in [(Mode::Single, 12), (Mode::Sentinel, 6), (Mode::Cluster, 5)] {
            let mut planner = Planner::new(1, mode, 3);
            let mut kinds = HashSet::new();
            for _ in 0..8 {
                let plan = planner.plan();
                kinds.extend(plan.nodes.iter().map(|step| step.fault.kind()));
                kinds.extend(plan.redis.iter().map(|step| step.fault.kind()));
            }
            assert_eq!(kinds.len(), count + 4, "{kinds:?}");
        }
    }
}
