//! Schedules.

use std::collections::HashSet;
use std::time::Duration;

use tidegate_shared::job::{
    JobFilter, JobId, JobRecord, Missed, Planned, Schedule, ScheduledJob, Timing, list,
};
use tidegate_shared::name::{JobType, QueueName, ScheduleName};

use super::{Bench, LONG};
use crate::contract::broker::json;
use crate::contract::{World, eventually};

/// Often enough for a case to see some.
const OFTEN: Duration = Duration::from_millis(100);

fn schedule(bench: &Bench, name: &str, every: Duration) -> Schedule {
    Schedule {
        name: ScheduleName::parse(name).expect("valid"),
        timing: Timing::every(every).expect("valid"),
        missed: Missed::All,
        job: ScheduledJob {
            kind: JobType::parse("tick").expect("valid"),
            data: json("{\"n\":1}"),
            queue: bench.queue.clone(),
            priority: tidegate_shared::job::Priority::default(),
            timeout_ms: Some(5_000),
            max_attempts: Some(7),
            concurrency: None,
        },
        from_file: false,
    }
}

async fn put(bench: &Bench, schedule: &Schedule) -> Planned {
    let put = bench.node.schedules.put(schedule.clone()).await;
    put.expect("made")
}

async fn names(bench: &Bench) -> Vec<String> {
    let all = bench.node.schedules.list().await.expect("listed");
    all.iter().map(|one| one.schedule.name.to_string()).collect()
}

/// All jobs of the queue.
async fn jobs(bench: &Bench) -> Vec<JobRecord> {
    let filter = JobFilter {
        queue: Some(bench.queue.clone()),
        state: None,
    };
    let page = list(&*bench.node.desk, &filter, None, 250).await;
    page.expect("listed").jobs
}

/// Lets a queue's schedules submit until there have been so many jobs.
async fn fire(bench: &Bench, jobs: usize) -> usize {
    let mut fired = 0;
    while fired < jobs {
        fired += eventually("a tick", || async {
            let fired = bench.node.schedules.fire(&bench.queue).await.expect("looked");
            Some(fired.jobs).filter(|jobs| *jobs > 0)
        })
        .await;
    }
    fired
}

pub(crate) async fn each_tick_has_one_job_however_many_look<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    put(&bench, &schedule(&bench, "often", OFTEN)).await;
    let workers = [&bench, &other, &bench, &other].map(|bench| {
        let bench = bench.clone();
        tokio::spawn(async move { fire(&bench, 2).await })
    });
    let mut fired = 0;
    for worker in workers {
        fired += worker.await.expect("no panic");
    }
    let found = jobs(&bench).await;
    let ids: HashSet<&JobId> = found.iter().map(|job| &job.id).collect();
    assert_eq!((ids.len(), found.len()), (fired, fired), "none is counted twice");
    // Each is a tick later than the one before: none is left out, none comes twice.
    let mut ticks: Vec<u64> = ids.iter().map(|id| tick_of(id)).collect();
    ticks.sort_unstable();
    for pair in ticks.windows(2) {
        assert_eq!(pair[1] - pair[0], 100, "{ticks:?}");
    }
    let claim = bench.claim_one(LONG).await;
    let job = claim.record;
    assert_eq!(
        (job.kind.as_str(), job.timeout_ms, job.max_attempts),
        ("tick", Some(5_000), 7)
    );
    assert_eq!(claim.data, json("{\"n\":1}"));
}

/// The id of a scheduled job begins with its tick.
fn tick_of(id: &JobId) -> u64 {
    let digits = id.as_str().rsplit('.').next().expect("digits");
    u64::from_str_radix(&digits[..12], 16).expect("hexadecimal")
}

pub(crate) async fn schedules_are_listed_changed_and_taken_away<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let never = Duration::from_secs(300 * 24 * 3600);
    let first = put(&bench, &schedule(&bench, "b", never)).await;
    assert!(first.next_at.is_some());
    put(&bench, &schedule(&bench, "a", never)).await;
    let listed = other.node.schedules.list().await.expect("listed");
    assert_eq!(names(&other).await, ["a", "b"]);
    assert_eq!(listed[1], first);

    // To another queue: it is there, and no longer here.
    let elsewhere = bench.on("elsewhere");
    let moved = schedule(&elsewhere, "b", OFTEN);
    put(&bench, &moved).await;
    assert_eq!(names(&other).await, ["a", "b"]);
    fire(&elsewhere, 1).await;
    assert!(jobs(&bench).await.is_empty());
    let fired = bench.node.schedules.fire(&bench.queue).await.expect("looked");
    assert!(fired.jobs == 0 && fired.next > Some(Duration::ZERO));

    let remove = async |name: &str| {
        let name = ScheduleName::parse(name).expect("valid");
        other.node.schedules.remove(&name).await.expect("removed")
    };
    assert!(remove("b").await && !remove("b").await && !remove("c").await);
    assert_eq!(names(&bench).await, ["a"]);
    let fired = elsewhere.node.schedules.fire(&elsewhere.queue).await;
    assert_eq!(fired.expect("looked").next, None);
}

pub(crate) async fn a_schedule_made_again_keeps_its_ticks<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let often = schedule(&bench, "often", OFTEN);
    let first = put(&bench, &often).await;
    // Nobody looks for some ticks.
    let tick = first.next_at.expect("it has one") + 200;
    eventually("time passes", || async {
        let job = bench.submit_one().await;
        let now = bench.get(&job).await.created_at;
        bench.jobs().cancel(&job).await.expect("it waits");
        (now > tick).then_some(())
    })
    .await;
    let mut again = often.clone();
    again.job.kind = JobType::parse("other").expect("valid");
    assert_eq!(put(&bench, &again).await.next_at, first.next_at);
    fire(&bench, 3).await;
    let found = jobs(&bench).await;
    let ticks: Vec<u64> = found
        .iter()
        .filter(|job| job.kind.as_str() == "other")
        .map(|job| tick_of(&job.id))
        .collect();
    assert_eq!(
        ticks.iter().min(),
        first.next_at.as_ref(),
        "missed ticks are made up for"
    );
    let changed = put(&bench, &schedule(&bench, "often", LONG)).await;
    assert!(changed.next_at > first.next_at, "another timing begins anew");
}

pub(crate) async fn only_the_schedules_of_a_queue_fire_for_it<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let elsewhere = bench.on("elsewhere");
    put(&bench, &schedule(&bench, "here", OFTEN)).await;
    put(&bench, &schedule(&elsewhere, "there", OFTEN)).await;
    fire(&elsewhere, 2).await;
    assert!(jobs(&bench).await.is_empty());
    fire(&bench, 1).await;
    assert!(jobs(&bench).await.iter().all(|job| job.queue == bench.queue));
    let empty = QueueName::parse("empty").expect("valid");
    let fired = bench.node.schedules.fire(&empty).await.expect("looked");
    assert_eq!((fired.jobs, fired.next), (0, None));
}
