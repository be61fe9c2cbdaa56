//! Which faults jobs live through, and when: a pure function of the seed.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and another one is started in its place.
    KillWorker { worker: usize },
    /// SIGSTOP until so many milliseconds after its leases have run out.
    StopWorker { worker: usize, beyond: u64 },
    /// Redis is killed, and comes back with its append-only file after so many milliseconds.
    RestartRedis { away: u64 },
    /// SIGKILL, and another one is started in its place.
    KillGateway { gateway: usize },
}

impl Fault {
    pub fn kind(self) -> &'static str {
        match self {
            Self::KillWorker { .. } => "workers killed",
            Self::StopWorker { .. } => "workers stopped beyond their lease",
            Self::RestartRedis { .. } => "Redis restarted with AOF",
            Self::KillGateway { .. } => "gateways killed",
        }
    }
}

/// A fault, and how many jobs are done when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub done: usize,
    pub fault: Fault,
}

#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub jobs: usize,
    /// Of one fault of each kind.
    pub rounds: usize,
    pub workers: usize,
    pub gateways: usize,
}

/// The faults of a run, each after about as many jobs as the one before, in a random order in each round.
pub fn plan(seed: u64, size: Size) -> Vec<Step> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut faults = Vec::with_capacity(size.rounds * 4);
    for _ in 0..size.rounds {
        let mut round = [
            Fault::KillWorker {
                worker: random.random_range(0..size.workers),
            },
            Fault::StopWorker {
                worker: random.random_range(0..size.workers),
                beyond: random.random_range(500..2_500),
            },
            Fault::RestartRedis {
                away: random.random_range(0..1_500),
            },
            Fault::KillGateway {
                gateway: random.random_range(0..size.gateways),
            },
        ];
        round.shuffle(&mut random);
        faults.extend(round);
    }
    let apart = size.jobs / (faults.len() + 1);
    faults
        .into_iter()
        .enumerate()
        .map(|(number, fault)| Step {
            done: (number + 1) * apart - random.random_range(0..=apart / 2),
            fault,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        jobs: 5_000,
        rounds: 10,
        workers: 4,
        gateways: 2,
    };

    #[test]
    fn a_seed_makes_the_same_faults_again_and_another_makes_others() {
        assert_eq!(plan(1, SIZE), plan(1, SIZE));
        assert_ne!(plan(1, SIZE), plan(2, SIZE));
    }

    #[test]
    fn every_round_has_each_kind_and_all_begin_while_there_are_jobs() {
        for seed in 0..50 {
            let steps = plan(seed, SIZE);
            for round in steps.chunks(4) {
                let mut kinds: Vec<_> = round.iter().map(|step| step.fault.kind()).collect();
                kinds.sort_unstable();
                kinds.dedup();
                assert_eq!(kinds.len(), 4, "{round:?}");
            }
            assert!(steps.is_sorted_by_key(|step| step.done));
            assert!(steps.iter().all(|step| step.done < SIZE.jobs), "{steps:?}");
        }
    }
}
