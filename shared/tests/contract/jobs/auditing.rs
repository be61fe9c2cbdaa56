//! Three workers and a client do anything to a few jobs at once, on a queue with limits. An auditor then goes
//! through the queue's log, which has one order, and through all lists.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tidegate_shared::broker::From;
use tidegate_shared::job::{
    Concurrency, Failure, JobDraft, JobError, JobFilter, JobId, JobRecord, JobState, Lease, LogLevel,
    LogLine, MAX_STALLS_DEFAULT, list,
};
use tidegate_shared::name::ConcurrencyKey;
use tidegate_shared::topic::Topic;

use super::{Bench, LONG, percent, record_of};
use crate::contract::broker::{json, read};
use crate::contract::{FEWS, World, few};

/// The keys that jobs have, and their limits.
const KEYS: [(&str, u32); 2] = [("a", 1), ("b", 2)];
/// As the queue's policy says.
const MAX_RUNNING: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// With one of the keys, or none.
    Submit {
        key: usize,
        delayed: bool,
    },
    Claim {
        number: usize,
        runs_out: bool,
    },
    Heartbeat {
        runs_out: bool,
    },
    Progress,
    Log,
    Checkpoint,
    Succeed,
    Fail {
        fatal: bool,
    },
    Release,
    Cancelled,
    /// One of all jobs.
    Cancel(usize),
    Redrive(usize),
    Promote,
    Reclaim,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..3, any::<bool>()).prop_map(|(key, delayed)| Step::Submit { key, delayed }),
        6 => (1_usize..4, any::<bool>()).prop_map(|(number, runs_out)| Step::Claim { number, runs_out }),
        1 => any::<bool>().prop_map(|runs_out| Step::Heartbeat { runs_out }),
        1 => Just(Step::Progress),
        1 => Just(Step::Log),
        1 => Just(Step::Checkpoint),
        2 => Just(Step::Succeed),
        2 => any::<bool>().prop_map(|fatal| Step::Fail { fatal }),
        1 => Just(Step::Release),
        1 => Just(Step::Cancelled),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Redrive),
        2 => Just(Step::Promote),
        3 => Just(Step::Reclaim),
    ]
}

fn lease_time(runs_out: bool) -> Duration {
    if runs_out { Duration::ZERO } else { LONG }
}

/// A refusal is as good an answer as success; anything else is not.
fn allowed<T>(answer: Result<T, JobError>) {
    match answer {
        Ok(_) | Err(JobError::LeaseLost(_) | JobError::NotDead(_)) => {}
        Err(other) => panic!("{other}"),
    }
}

fn draft(bench: &Bench, key: usize) -> JobDraft {
    let concurrency = KEYS.get(key).and_then(|(key, limit)| {
        let key = ConcurrencyKey::parse(key).expect("valid");
        Concurrency::new(key, *limit)
    });
    JobDraft {
        concurrency,
        max_attempts: Some(3),
        ..bench.draft()
    }
}

/// Lets one of them take its steps.
async fn work(bench: &Bench, steps: &[Step]) {
    let (mut ids, mut leases): (Vec<JobId>, Vec<Lease>) = (Vec::new(), Vec::new());
    for step in steps {
        let jobs = bench.jobs();
        let lease = leases.last();
        match (step, lease) {
            (Step::Submit { key, delayed }, _) => {
                let delay = Duration::from_millis(u64::from(*delayed));
                let draft = JobDraft {
                    delay,
                    ..draft(bench, *key)
                };
                ids.push(bench.submit(draft).await.record.id);
            }
            (Step::Claim { number, runs_out }, _) => {
                let claims = bench.claim(*number, lease_time(*runs_out)).await;
                leases.extend(claims.into_iter().map(|claim| claim.lease));
            }
            (Step::Promote, _) => allowed(jobs.promote(&bench.queue).await),
            (Step::Reclaim, _) => allowed(jobs.reclaim(&bench.queue, MAX_STALLS_DEFAULT).await),
            (Step::Cancel(number), _) if !ids.is_empty() => {
                allowed(jobs.cancel(&ids[number % ids.len()]).await);
            }
            (Step::Redrive(number), _) if !ids.is_empty() => {
                allowed(bench.node.desk.redrive(&ids[number % ids.len()]).await);
            }
            (Step::Cancel(_) | Step::Redrive(_), _) | (_, None) => {}
            (Step::Heartbeat { runs_out }, Some(_)) => {
                allowed(jobs.heartbeat(&leases, lease_time(*runs_out)).await);
            }
            (Step::Progress, Some(lease)) => allowed(jobs.progress(lease, percent(50.0)).await),
            (Step::Log, Some(lease)) => {
                let line = LogLine::new(LogLevel::Info, "a line");
                allowed(jobs.log(lease, &[line]).await);
            }
            (Step::Checkpoint, Some(lease)) => allowed(jobs.checkpoint(lease, json("1")).await),
            (Step::Succeed, Some(lease)) => allowed(jobs.succeed(lease, json("1")).await),
            (Step::Fail { fatal }, Some(lease)) => {
                let failure = Failure {
                    fatal: *fatal,
                    ..Failure::retryable("no")
                };
                allowed(jobs.fail(lease, failure).await);
            }
            (Step::Release, Some(lease)) => allowed(jobs.release(lease).await),
            (Step::Cancelled, Some(lease)) => allowed(jobs.cancelled(lease).await),
        }
        // Older leases have their turn again.
        if !leases.is_empty() {
            leases.rotate_right(1);
        }
    }
}

/// Goes through the queue's log from the start. Gives each job as it then is.
async fn audit_log(bench: &Bench) -> BTreeMap<JobId, JobRecord> {
    let page = read(&bench.node, &Topic::of_queue(&bench.queue), From::Newest).await;
    let top = page.top.expect("queues have a log").offset;
    assert_eq!(
        u64::try_from(page.publications.len()),
        Ok(top),
        "all of the log is there"
    );
    let mut jobs: BTreeMap<JobId, JobRecord> = BTreeMap::new();
    for record in page.publications.iter().map(|one| record_of(one)) {
        if let Some(before) = jobs.get(&record.id) {
            let redriven = record.state == JobState::Queued && before.state == JobState::Failed;
            assert!(
                !before.state.is_terminal() || redriven,
                "{record:?} after {before:?}"
            );
            let waits = [JobState::Queued, JobState::Scheduled, JobState::Retrying];
            let ends = matches!(
                record.state,
                JobState::Queued | JobState::Cancelled | JobState::Running
            );
            assert!(
                !waits.contains(&before.state) || ends,
                "{record:?} after {before:?}"
            );
        }
        jobs.insert(record.id.clone(), record);
        let running = || jobs.values().filter(|job| job.state == JobState::Running);
        assert!(running().count() <= MAX_RUNNING, "too many run: {jobs:?}");
        for (key, limit) in KEYS {
            let of_key = running().filter(|job| {
                job.concurrency
                    .as_ref()
                    .is_some_and(|one| one.key().as_str() == key)
            });
            assert!(
                of_key.count() <= usize::try_from(limit).expect("small"),
                "too many of {key}"
            );
        }
    }
    jobs
}

/// Compares the log's end with records, lists and counts.
async fn audit(bench: &Bench) {
    let jobs = audit_log(bench).await;
    let mut by_state: BTreeMap<&str, BTreeSet<JobId>> = BTreeMap::new();
    for (id, last) in &jobs {
        assert_eq!(bench.get(id).await, *last, "the record is the last entry");
        by_state.entry(last.state.name()).or_default().insert(id.clone());
    }
    let states = [
        JobState::Scheduled,
        JobState::Queued,
        JobState::Running,
        JobState::Retrying,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
    ];
    for state in states {
        let filter = JobFilter {
            queue: Some(bench.queue.clone()),
            state: Some(state),
        };
        let page = list(&*bench.node.desk, &filter, None, 200).await.expect("listed");
        let listed: Vec<JobId> = page.jobs.into_iter().map(|job| job.id).collect();
        let expected = by_state.get(state.name()).cloned().unwrap_or_default();
        assert_eq!(listed.len(), expected.len(), "{state}: each is there once");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected, "{state}");
    }
    let queues = bench.node.desk.queues().await.expect("listed");
    let Some(info) = queues.into_iter().find(|one| one.name == bench.queue) else {
        assert!(jobs.is_empty());
        return;
    };
    let count = |state: JobState| u64::try_from(by_state.get(state.name()).map_or(0, BTreeSet::len));
    assert_eq!(Ok(info.queued), count(JobState::Queued));
    assert_eq!(Ok(info.scheduled), count(JobState::Scheduled));
    assert_eq!(Ok(info.retrying), count(JobState::Retrying));
    assert_eq!(
        Ok(info.running),
        count(JobState::Running),
        "what runs has a lease"
    );
    assert_eq!(Ok(info.dead), count(JobState::Failed));
}

/// Sees to it that all jobs end.
async fn bring_to_an_end(bench: &Bench) {
    loop {
        allowed(bench.jobs().promote(&bench.queue).await);
        for claim in bench.claim(10, Duration::ZERO).await {
            allowed(bench.jobs().succeed(&claim.lease, json("1")).await);
        }
        // Leases that nobody ends any more: they are asked to, and have 20 ms.
        let jobs = audit_log(bench).await;
        for job in jobs
            .values()
            .filter(|job| job.state == JobState::Running && !job.cancelling)
        {
            allowed(bench.jobs().cancel(&job.id).await);
        }
        allowed(bench.jobs().reclaim(&bench.queue, MAX_STALLS_DEFAULT).await);
        if jobs.values().all(|job| job.state.is_terminal()) {
            return;
        }
    }
}

async fn live(benches: [Bench; 3], steps: [Vec<Step>; 3]) {
    let tasks = [0, 1, 2].map(|worker: usize| {
        let (bench, steps) = (benches[worker].clone(), steps[worker].clone());
        tokio::spawn(async move { work(&bench, &steps).await })
    });
    for task in tasks {
        task.await.expect("no panic");
    }
    let bench = &benches[0];
    audit(bench).await;
    bring_to_an_end(bench).await;
    audit(bench).await;
    // No room is lost: as many run of each key as at the beginning.
    for key in [[1, 1], [0, 2]] {
        for key in key {
            bench.submit(draft(bench, key)).await;
        }
        let claims = bench.claim(10, LONG).await;
        assert_eq!(claims.len(), MAX_RUNNING);
        for claim in claims {
            allowed(bench.jobs().succeed(&claim.lease, json("1")).await);
        }
    }
    audit(bench).await;
}

pub(crate) async fn whatever_three_workers_do_the_books_balance<W: World>(world: W) {
    let one = Bench::new(&world).await;
    let other = one.another(&world).await;
    let steps = || proptest::collection::vec(step(), 0..30);
    // Seeds of failures are printed, not kept: the order in which the tasks run is not in them.
    let mut runner = TestRunner::new(Config {
        cases: 20,
        failure_persistence: None,
        max_shrink_iters: FEWS - 20,
        ..Config::default()
    });
    let runtime = tokio::runtime::Handle::current();
    let number = std::cell::Cell::new(0);
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&(steps(), steps(), steps()), |(first, second, third)| {
            let queue = few(number.replace(number.get() + 1));
            let benches = [one.on(&queue), other.on(&queue), one.on(&queue)];
            runtime.block_on(live(benches, [first, second, third]));
            Ok::<(), TestCaseError>(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
