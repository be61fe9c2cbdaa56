//! Limits of what runs: a queue's, a concurrency key's, a rate.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidegate_shared::job::{
    Claim, Concurrency, Failure, JobDraft, JobFilter, JobId, JobState, Lease, MAX_STALLS_DEFAULT, list,
};
use tidegate_shared::name::ConcurrencyKey;

use super::{Bench, LONG, SHORT};
use crate::contract::broker::json;
use crate::contract::{FEW, PACE, PACED, PATIENCE, QUICK, World};

fn of_key(bench: &Bench, key: &str, limit: u32) -> JobDraft {
    let key = ConcurrencyKey::parse(key).expect("valid");
    JobDraft {
        concurrency: Concurrency::new(key, limit),
        ..bench.draft()
    }
}

/// What runs, as its workers know: counted after a claim and before an end, and so never too high.
#[derive(Default)]
struct Tally {
    running: HashMap<String, usize>,
    most: HashMap<String, usize>,
    done: usize,
}

impl Tally {
    fn key(claim: &Claim) -> String {
        let concurrency = claim.record.concurrency.as_ref();
        concurrency.map_or_else(String::new, |one| one.key().to_string())
    }

    fn begin(&mut self, claim: &Claim) {
        let key = Self::key(claim);
        let running = self.running.entry(key.clone()).or_default();
        *running += 1;
        let most = self.most.entry(key).or_default();
        *most = (*most).max(*running);
    }

    fn end(&mut self, claim: &Claim) {
        *self.running.entry(Self::key(claim)).or_default() -= 1;
        self.done += 1;
    }
}

/// Works on a queue until so many jobs are done: claims a few, lets others have a turn, ends them.
async fn work(bench: Bench, tally: Arc<Mutex<Tally>>, jobs: usize, at_once: usize) {
    while tally.lock().done < jobs {
        let claims = bench.claim(at_once, LONG).await;
        for claim in &claims {
            tally.lock().begin(claim);
        }
        tokio::task::yield_now().await;
        for claim in &claims {
            tally.lock().end(claim);
            bench.jobs().succeed(&claim.lease, json("1")).await.expect("held");
        }
        if claims.is_empty() {
            let queues = [bench.queue.clone()];
            // Not for long: the last job may be ending elsewhere.
            let waiting = bench.jobs().wait(&queues, Duration::from_millis(50));
            waiting.await.expect("waited");
        }
    }
}

async fn all_done(benches: [&Bench; 2], jobs: usize) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let workers: Vec<_> = (0..4)
        .map(|number| {
            let bench = benches[number % 2].clone();
            tokio::spawn(work(bench, tally.clone(), jobs, 1 + number))
        })
        .collect();
    for worker in workers {
        worker.await.expect("no panic");
    }
    std::mem::take(&mut *tally.lock())
}

pub(crate) async fn no_more_jobs_run_than_their_queue_allows<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(FEW);
    let other = bench.another(&world).await;
    for _ in 0..40 {
        bench.submit_one().await;
    }
    assert_eq!(bench.claim(10, LONG).await.len(), 2);
    assert_eq!(other.claim(10, LONG).await.len(), 0, "two run");
    let running = list_ids(&bench, JobState::Running).await;
    for id in running {
        bench.jobs().cancel(&id).await.expect("known");
    }
    // They have 20 ms to end.
    bench.reclaim(2).await;
    let again = other.claim(10, LONG).await;
    assert_eq!(again.len(), 2, "what has ended makes room, all of it");
    for claim in again {
        other.jobs().release(&claim.lease).await.expect("held");
    }
    let tally = all_done([&bench, &other], 38).await;
    assert_eq!(tally.done, 38);
    // How many of the four workers have their turn at the same time is not the queue's to say.
    assert!(tally.most[""] <= 2, "{:?}", tally.most);
}

async fn list_ids(bench: &Bench, state: JobState) -> Vec<JobId> {
    let filter = JobFilter {
        queue: Some(bench.queue.clone()),
        state: Some(state),
    };
    let page = list(&*bench.node.desk, &filter, None, 100).await.expect("listed");
    page.jobs.into_iter().map(|job| job.id).collect()
}

pub(crate) async fn a_key_runs_as_often_as_its_limit_and_holds_up_nobody_else<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    for _ in 0..10 {
        bench.submit(of_key(&bench, "a", 1)).await;
        bench
            .submit(of_key(&bench, "b \"x\"".replace(' ', "-").as_str(), 2))
            .await;
    }
    let free = bench.submit_one().await;
    let first = bench.claim(21, LONG).await;
    assert_eq!(first.len(), 4, "one of a, two of b, and the one without a key");
    assert_eq!(first[3].lease.job, free);
    for claim in first {
        bench.jobs().release(&claim.lease).await.expect("held");
    }
    let again = other.claim(21, LONG).await;
    assert_eq!(again.len(), 4, "what was given back makes room, all of it");
    for claim in again {
        other.jobs().release(&claim.lease).await.expect("held");
    }
    let tally = all_done([&bench, &other], 21).await;
    assert_eq!(tally.done, 21);
    assert!(
        tally.most["a"] <= 1 && tally.most["b-\"x\""] <= 2,
        "{:?}",
        tally.most
    );
}

/// The ways in which a job stops to run.
#[derive(Debug, Clone, Copy)]
enum Stop {
    Succeed,
    Fail,
    Retry,
    Cancelled,
    ReleaseCancelled,
    Lost,
    GivenUp,
}

impl Stop {
    const ALL: [Self; 7] = [
        Self::Succeed,
        Self::Fail,
        Self::Retry,
        Self::Cancelled,
        Self::ReleaseCancelled,
        Self::Lost,
        Self::GivenUp,
    ];

    fn lease(self) -> Duration {
        match self {
            Self::Lost | Self::GivenUp => SHORT,
            _ => LONG,
        }
    }

    async fn stop(self, bench: &Bench, lease: &Lease) {
        let jobs = bench.jobs();
        match self {
            Self::Succeed => jobs.succeed(lease, json("1")).await.expect("held"),
            Self::Fail => drop(jobs.fail(lease, Failure::fatal("no")).await.expect("held")),
            Self::Retry => drop(jobs.fail(lease, Failure::retryable("no")).await.expect("held")),
            Self::Cancelled => {
                jobs.cancel(&lease.job).await.expect("known");
                jobs.cancelled(lease).await.expect("held");
            }
            Self::ReleaseCancelled => {
                jobs.cancel(&lease.job).await.expect("known");
                jobs.release(lease).await.expect("held");
            }
            Self::Lost => bench.reclaim_with(1, MAX_STALLS_DEFAULT).await,
            Self::GivenUp => bench.reclaim_with(1, 1).await,
        }
    }
}

/// Lets a job stop while another worker waits for a second one that must not run before; that worker has
/// to get one then.
async fn assert_makes_room(bench: &Bench, other: &Bench, stop: Stop, drafts: Vec<JobDraft>, run: usize) {
    for draft in drafts {
        bench.submit(draft).await;
    }
    let running = bench.claim(10, stop.lease()).await;
    assert_eq!(running.len(), run, "{stop:?}");
    let waiter = other.clone();
    let waiting = tokio::spawn(async move {
        let queues = [waiter.queue.clone()];
        loop {
            if let Some(claim) = waiter.claim(1, LONG).await.pop() {
                return claim.lease;
            }
            waiter.jobs().wait(&queues, LONG).await.expect("waited");
        }
    });
    stop.stop(bench, &running[0].lease).await;
    let next = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("{stop:?} woke nobody"));
    let next = next.expect("no panic");
    other.jobs().succeed(&next, json("1")).await.expect("held");
    // Nothing is left for the next round.
    for claim in &running[1..] {
        bench.jobs().succeed(&claim.lease, json("1")).await.expect("held");
    }
    loop {
        promote_all(bench).await;
        let claims = bench.claim(10, LONG).await;
        for claim in &claims {
            bench.jobs().succeed(&claim.lease, json("1")).await.expect("held");
        }
        let waits = list_ids(bench, JobState::Retrying).await;
        if claims.is_empty() && waits.is_empty() {
            break;
        }
    }
    assert!(list_ids(bench, JobState::Queued).await.is_empty(), "{stop:?}");
}

async fn promote_all(bench: &Bench) {
    bench.jobs().promote(&bench.queue).await.expect("promoted");
}

pub(crate) async fn however_a_job_stops_the_next_of_its_key_may_run<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    let other = bench.another(&world).await;
    for stop in Stop::ALL {
        let drafts = (0..3).map(|_| of_key(&bench, "k", 1)).collect();
        assert_makes_room(&bench, &other, stop, drafts, 1).await;
    }
}

pub(crate) async fn however_a_job_stops_a_full_queue_has_room_again<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(FEW);
    let other = bench.another(&world).await;
    for stop in Stop::ALL {
        let drafts = (0..4).map(|_| bench.draft()).collect();
        // Two that ran out at once would be taken back at once: one lease is enough.
        if matches!(stop, Stop::Lost | Stop::GivenUp) {
            bench.submit_one().await;
            let kept = bench.claim_one(LONG).await.lease;
            assert_makes_room(&bench, &other, stop, drafts, 1).await;
            bench.jobs().succeed(&kept, json("1")).await.expect("held");
        } else {
            assert_makes_room(&bench, &other, stop, drafts, 2).await;
        }
    }
}

pub(crate) async fn a_turn_that_is_given_up_is_the_next_ones<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(bench.submit(of_key(&bench, "k", 1)).await.record.id);
    }
    let first = bench.claim(10, LONG).await;
    assert_eq!(first.len(), 1);
    bench.jobs().cancel(&ids[2]).await.expect("it waits for the key");
    bench
        .jobs()
        .succeed(&first[0].lease, json("1"))
        .await
        .expect("held");
    bench.jobs().cancel(&ids[1]).await.expect("its turn has come");
    let next = bench.claim(10, LONG).await;
    assert_eq!((next.len(), &next[0].lease.job), (1, &ids[3]));
    bench
        .jobs()
        .succeed(&next[0].lease, json("1"))
        .await
        .expect("held");
    let again = bench.submit(of_key(&bench, "k", 1)).await.record.id;
    assert_eq!(
        bench.claim_one(LONG).await.lease.job,
        again,
        "nothing is left of the others"
    );
}

pub(crate) async fn jobs_that_wait_for_their_key_are_queued_like_others<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(bench.submit(of_key(&bench, "k", 1)).await.record.id);
        ids.push(bench.submit_one().await);
    }
    let record = bench.get(&ids[0]).await;
    let concurrency = record.concurrency.expect("it is in the record");
    assert_eq!((concurrency.key().as_str(), concurrency.limit()), ("k", 1));
    let claims = bench.claim(4, LONG).await;
    let claimed: Vec<&JobId> = claims.iter().map(|claim| &claim.lease.job).collect();
    assert_eq!(claimed, [&ids[0], &ids[1], &ids[3], &ids[5]]);
    let infos = bench.node.desk.queues().await.expect("listed");
    assert_eq!((infos[0].queued, infos[0].running), (4, 4));
    let queued = list_ids(&bench, JobState::Queued).await;
    assert_eq!(queued, [&ids[7], &ids[6], &ids[4], &ids[2]].map(Clone::clone));
    let log = bench.log(&ids[2]).await;
    assert_eq!(log.len(), 1, "waiting is no entry");
}

pub(crate) async fn no_more_jobs_begin_than_the_rate_says<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(PACED);
    let other = bench.another(&world).await;
    for _ in 0..10 {
        bench.submit_one().await;
    }
    let began = Arc::new(Mutex::new(Vec::new()));
    let workers = [&bench, &other].map(|bench| {
        let (bench, began) = (bench.clone(), began.clone());
        tokio::spawn(async move {
            while began.lock().len() < 10 {
                for claim in bench.claim(2, LONG).await {
                    began.lock().push(claim.record.started_at.expect("it runs"));
                }
                let queues = [bench.queue.clone()];
                let waiting = bench.jobs().wait(&queues, PACE.period);
                waiting.await.expect("waited");
            }
        })
    });
    for worker in workers {
        tokio::time::timeout(PATIENCE, worker)
            .await
            .expect("a job is not claimed although it may begin")
            .expect("no panic");
    }
    let mut began = began.lock().clone();
    began.sort_unstable();
    let limit = usize::try_from(PACE.limit).expect("small");
    for (first, last) in began.iter().zip(&began[limit..]) {
        let apart = Duration::from_millis(last - first);
        assert!(apart >= PACE.period, "{apart:?} apart: {began:?}");
    }
}
