//! Two workers do anything to one job, in any order and at once; its log must tell one life.

use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tidegate_shared::job::{Beat, Failure, JobError, JobId, JobRecord, JobState, Lease};

use super::{Bench, LONG, percent};
use crate::contract::World;
use crate::contract::broker::json;

/// One thing a worker does, with the newest lease it ever got where it takes one.
#[derive(Debug, Clone)]
enum Step {
    Claim { runs_out: bool },
    Heartbeat { runs_out: bool },
    Progress(u8),
    Succeed,
    Fail,
    Release,
    Reclaim,
    SubmitAgain,
}

/// How many of its calls took effect, by what they did.
#[derive(Debug, Default)]
struct Effects {
    claims: usize,
    reports: usize,
    releases: usize,
    taken_back: usize,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => any::<bool>().prop_map(|runs_out| Step::Claim { runs_out }),
        2 => any::<bool>().prop_map(|runs_out| Step::Heartbeat { runs_out }),
        4 => (0_u8..=100).prop_map(Step::Progress),
        1 => Just(Step::Succeed),
        1 => Just(Step::Fail),
        2 => Just(Step::Release),
        4 => Just(Step::Reclaim),
        1 => Just(Step::SubmitAgain),
    ]
}

fn lease_time(runs_out: bool) -> Duration {
    if runs_out { Duration::ZERO } else { LONG }
}

/// What a write that may be refused did: whether it took effect.
fn took_effect(answer: Result<(), JobError>, job: &JobId) -> bool {
    match answer {
        Ok(()) => true,
        Err(JobError::LeaseLost(lost)) if lost == *job => false,
        Err(other) => panic!("{other}"),
    }
}

/// Lets one worker take its steps.
async fn work(bench: &Bench, job: &JobId, steps: &[Step], max_stalls: u32) -> (Effects, Option<Lease>) {
    let mut effects = Effects::default();
    let mut lease: Option<Lease> = None;
    for step in steps {
        match (step, &lease) {
            (Step::Claim { runs_out }, _) => {
                if let Some(claim) = bench.claim(1, lease_time(*runs_out)).await.pop() {
                    assert_eq!(claim.lease.job, *job);
                    effects.claims += 1;
                    lease = Some(claim.lease);
                }
            }
            (Step::Reclaim, _) => {
                let taken_back = bench.jobs().reclaim(&bench.queue, max_stalls).await;
                effects.taken_back += taken_back.expect("reclaimed");
            }
            (Step::SubmitAgain, _) => {
                let again = bench.submit(bench.keyed("k")).await;
                assert!(again.duplicate && again.record.id == *job);
            }
            (_, None) => {}
            (Step::Heartbeat { runs_out }, Some(lease)) => {
                let time = lease_time(*runs_out);
                let beats = bench.jobs().heartbeat(std::slice::from_ref(lease), time).await;
                assert!(matches!(
                    beats.as_deref(),
                    Ok([Beat::Extended | Beat::Cancel | Beat::Lost])
                ));
            }
            (Step::Progress(value), Some(lease)) => {
                let answer = bench.jobs().progress(lease, percent((*value).into())).await;
                effects.reports += usize::from(took_effect(answer, job));
            }
            (Step::Succeed, Some(lease)) => {
                took_effect(bench.jobs().succeed(lease, json("1")).await, job);
            }
            (Step::Fail, Some(lease)) => {
                let answer = bench.jobs().fail(lease, Failure::fatal(BY_HAND)).await;
                took_effect(answer.map(|_| ()), job);
            }
            (Step::Release, Some(lease)) => {
                let answer = bench.jobs().release(lease).await;
                effects.releases += usize::from(took_effect(answer, job));
            }
        }
    }
    (effects, lease)
}

/// The error of a job that a worker failed, unlike that of one that was given up.
const BY_HAND: &str = "by hand";

/// Sees to it that the job has ended. Gives how often it was claimed and taken back for that.
async fn bring_to_an_end(bench: &Bench, job: &JobId, leases: &[Option<Lease>]) -> Effects {
    let mut effects = Effects::default();
    loop {
        if bench.get(job).await.state.is_terminal() {
            return effects;
        }
        for lease in leases.iter().flatten() {
            took_effect(bench.jobs().succeed(lease, json("1")).await, job);
        }
        if let Some(claim) = bench.claim(1, LONG).await.pop() {
            effects.claims += 1;
            took_effect(bench.jobs().succeed(&claim.lease, json("1")).await, job);
        }
    }
}

fn assert_one_life(log: &[JobRecord], effects: &[Effects]) {
    let count = |of: fn(&Effects) -> usize| effects.iter().map(of).sum::<usize>();
    let terminal = log.iter().filter(|entry| entry.state.is_terminal()).count();
    assert_eq!(terminal, 1, "exactly one end");
    let last = log.last().expect("not empty");
    assert!(last.state.is_terminal(), "and it is the last entry");
    let given_up = last.state == JobState::Failed && last.error.as_deref() != Some(BY_HAND);

    assert!(
        log.is_sorted_by_key(|entry| entry.attempt),
        "the attempt never falls"
    );
    assert!(
        log.iter()
            .all(|entry| entry.id == log[0].id && entry.created_at == log[0].created_at)
    );
    for pair in log.windows(2) {
        let legal = match (pair[0].state, pair[1].state) {
            (JobState::Queued, next) => next == JobState::Running,
            (JobState::Running, next) => next != JobState::Running || pair[0].attempt == pair[1].attempt,
            _ => false,
        };
        assert!(legal, "{:?} after {:?}", pair[1], pair[0]);
    }
    let requeued = count(|one| one.releases) + count(|one| one.taken_back) - usize::from(given_up);
    let entries = 1 + count(|one| one.claims) + count(|one| one.reports) + requeued + 1;
    assert_eq!(
        log.len(),
        entries,
        "an entry for each call that took effect, and no other"
    );
    let attempts = count(|one| one.claims) - count(|one| one.releases);
    // The claim after a release has the same number; a release may be the last but one thing.
    assert_eq!(
        usize::try_from(last.attempt),
        Ok(attempts),
        "releases do not count"
    );
}

/// One job's life: two workers at once, then the end, then everything is tried again.
async fn live(benches: [Bench; 2], steps: [Vec<Step>; 2], max_stalls: u32) {
    let job = benches[0].submit(benches[0].keyed("k")).await.record.id;
    let tasks = [0, 1].map(|worker: usize| {
        let (bench, steps, job) = (benches[worker].clone(), steps[worker].clone(), job.clone());
        tokio::spawn(async move { work(&bench, &job, &steps, max_stalls).await })
    });
    let (mut effects, mut leases) = (Vec::new(), Vec::new());
    for task in tasks {
        let (of_one, lease) = task.await.expect("no panic");
        effects.push(of_one);
        leases.push(lease);
    }
    effects.push(bring_to_an_end(&benches[0], &job, &leases).await);
    let before = benches[0].all_of(&job).await;
    assert_one_life(&before.0, &effects);
    assert_eq!(before.1, before.0, "the queue's log tells the same");

    for (bench, steps) in benches.iter().zip(&steps) {
        let (effects, _) = work(bench, &job, steps, max_stalls).await;
        assert_eq!(effects.claims + effects.taken_back, 0);
    }
    for lease in leases.iter().flatten() {
        let jobs = benches[1].jobs();
        assert!(jobs.progress(lease, percent(1.0)).await.is_err());
        assert!(jobs.release(lease).await.is_err());
        // One of them may have ended the job, and then may say so again.
        let _ = jobs.succeed(lease, json("2")).await;
        let _ = jobs.fail(lease, Failure::fatal("again")).await;
    }
    assert_eq!(
        benches[1].all_of(&job).await,
        before,
        "after the end nothing changes"
    );
}

pub(crate) async fn whatever_two_workers_do_the_log_tells_one_life<W: World>(world: W) {
    let one = Bench::new(&world).await;
    let other = one.another(&world).await;
    let steps = || proptest::collection::vec(step(), 0..30);
    // Seeds of failures are printed, not kept: the order in which two tasks run is not in them.
    let mut runner = TestRunner::new(Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    });
    let number = std::cell::Cell::new(0_u32);
    let strategy = ((steps(), steps()), 1_u32..5);
    let runtime = tokio::runtime::Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&strategy, |((first, second), max_stalls)| {
            number.set(number.get() + 1);
            let queue = format!("q{}", number.get());
            let benches = [one.on(&queue), other.on(&queue)];
            runtime.block_on(live(benches, [first, second], max_stalls));
            Ok::<(), TestCaseError>(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
