//! What operators see and do.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_shared::job::{
    Attempted, CHECKPOINT_LIMIT, Cursor, Failure, JobDraft, JobError, JobFilter, JobId, JobState, QueueInfo,
    list,
};
use tidegate_shared::name::UserId;
use tidegate_shared::topic::Topic;

use super::delaying::promote;
use super::{Bench, LONG, SHORT, percent};
use crate::contract::broker::json;
use crate::contract::{PATIENCE, QUICK, World};

async fn info(bench: &Bench) -> QueueInfo {
    let queues = bench.node.desk.queues().await.expect("listed");
    queues
        .into_iter()
        .find(|one| one.name == bench.queue)
        .expect("the queue is listed")
}

/// All pages of a listing.
async fn listed(bench: &Bench, filter: &JobFilter, limit: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = list(&*bench.node.desk, filter, cursor.as_ref(), limit)
            .await
            .expect("listed");
        assert!(page.jobs.len() <= limit);
        ids.extend(page.jobs.into_iter().map(|job| job.id));
        let Some(next) = page.next else {
            return ids;
        };
        // As a client hands it back.
        cursor = Some(Cursor::parse(&next.to_string()).expect("a cursor"));
    }
}

fn in_state(bench: &Bench, state: JobState) -> JobFilter {
    JobFilter {
        queue: Some(bench.queue.clone()),
        state: Some(state),
    }
}

/// A dead letter.
async fn dead(bench: &Bench) -> JobId {
    let lease = bench.start_one(LONG).await;
    let failing = bench.jobs().fail(&lease, Failure::fatal("broken")).await;
    assert_eq!(failing, Ok(JobState::Failed));
    lease.job
}

pub(crate) async fn a_queue_is_counted_by_state<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let dead = dead(&bench).await;
    let retrying = bench.start_one(LONG).await;
    let failing = bench.jobs().fail(&retrying, Failure::retryable("no")).await;
    assert_eq!(failing, Ok(JobState::Retrying));
    let running = bench.start_one(LONG).await;
    let scheduled = JobDraft {
        delay: LONG,
        ..bench.draft()
    };
    let scheduled = bench.submit(scheduled).await.record.id;
    let queued = [bench.submit_one().await, bench.submit_one().await];
    let now = info(&other).await;
    let counts = (now.queued, now.scheduled, now.retrying, now.running, now.dead);
    assert_eq!(counts, (2, 1, 1, 1, 1));
    assert!(now.oldest_ms.is_some() && !now.paused);
    for (state, expected) in [
        (JobState::Failed, vec![dead]),
        (JobState::Retrying, vec![retrying.job]),
        (JobState::Running, vec![running.job]),
        (JobState::Scheduled, vec![scheduled]),
        (JobState::Queued, queued.into_iter().rev().collect()),
        (JobState::Succeeded, vec![]),
    ] {
        let ids = listed(&other, &in_state(&bench, state), 10).await;
        assert_eq!(ids, expected, "{state}");
    }
    assert_eq!(listed(&other, &JobFilter::default(), 2).await.len(), 6);
}

pub(crate) async fn pages_show_every_job_once_whatever_comes_meanwhile<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let mut queued = BTreeSet::new();
    for _ in 0..25 {
        queued.insert(bench.submit_one().await);
    }
    let filter = in_state(&bench, JobState::Queued);
    let first = list(&*bench.node.desk, &filter, None, 10).await.expect("listed");
    let mut seen: Vec<JobId> = first.jobs.into_iter().map(|job| job.id).collect();
    bench.submit_one().await;
    // The last one seen is gone when the next page is asked for.
    bench.jobs().cancel(&seen[9]).await.expect("cancelled");
    let mut next = first.next;
    while let Some(cursor) = next {
        let page = list(&*bench.node.desk, &filter, Some(&cursor), 10)
            .await
            .expect("listed");
        seen.extend(page.jobs.into_iter().map(|job| job.id));
        next = page.next;
    }
    assert!(seen.is_sorted_by(|one, next| one > next), "the newest first");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), queued);

    let claims = bench.claim(100, LONG).await;
    let running: Vec<JobId> = claims.iter().map(|claim| claim.lease.job.clone()).collect();
    let shown = listed(&bench, &in_state(&bench, JobState::Running), 7).await;
    assert_eq!(shown, running.iter().rev().cloned().collect::<Vec<_>>());
    for claim in &claims {
        bench.jobs().succeed(&claim.lease, json("1")).await.expect("held");
    }
    let mut ended = listed(&bench, &in_state(&bench, JobState::Succeeded), 7).await;
    ended.sort();
    assert_eq!(ended, running);
}

pub(crate) async fn a_paused_queue_gives_no_jobs_until_it_is_resumed<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let running = bench.start_one(LONG).await;
    other.node.desk.pause(&bench.queue).await.expect("paused");
    let id = bench.submit_one().await;
    assert!(bench.claim(10, LONG).await.is_empty());
    assert!(info(&bench).await.paused);
    bench
        .jobs()
        .succeed(&running, json("1"))
        .await
        .expect("what runs goes on");
    let waiter = bench.clone();
    let waiting = tokio::spawn(async move {
        let queues = [waiter.queue.clone()];
        loop {
            if let Some(claim) = waiter.claim(1, LONG).await.pop() {
                return claim.lease.job;
            }
            waiter.jobs().wait(&queues, LONG).await.expect("waited");
        }
    });
    other.node.desk.resume(&bench.queue).await.expect("resumed");
    let claimed = tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("nothing woke the waiter");
    assert_eq!(claimed.expect("no panic"), id);
    assert!(!info(&bench).await.paused);
}

pub(crate) async fn a_dead_letter_is_queued_again_with_all_its_attempts<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let id = dead(&bench).await;
    let record = bench.node.desk.redrive(&id).await.expect("dead");
    assert_eq!((record.state, record.attempt), (JobState::Queued, 0));
    assert!(record.error.is_none() && record.finished_at.is_none() && !record.dead_letter);
    assert_eq!(bench.get(&id).await, record);
    let now = info(&bench).await;
    assert_eq!((now.queued, now.dead), (1, 0));
    let again = bench.node.desk.redrive(&id).await;
    assert_eq!(again, Err(JobError::NotDead(id.clone())));
    let claim = bench.claim_one(LONG).await;
    assert_eq!((&claim.lease.job, claim.record.attempt), (&id, 1));
    bench.jobs().succeed(&claim.lease, json("1")).await.expect("held");
    assert_eq!(bench.log(&id).await.len(), 6);
    let unknown = JobId::new(&bench.queue);
    let refused = bench.node.desk.redrive(&unknown).await;
    assert_eq!(refused, Err(JobError::NotFound(unknown)));
}

pub(crate) async fn what_is_purged_is_gone_with_its_key_and_topic<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let ended = bench.submit(bench.keyed("k")).await.record.id;
    let lease = bench.claim_one(LONG).await.lease;
    bench.jobs().succeed(&lease, json("1")).await.expect("held");
    let dead = dead(&bench).await;
    let waiting = bench.submit_one().await;
    let desk = &bench.node.desk;
    let purge = async |state, ago| desk.purge(&bench.queue, state, ago).await;
    assert_eq!(
        purge(JobState::Succeeded, LONG).await,
        Ok(0),
        "not long enough ago"
    );
    assert_eq!(purge(JobState::Queued, Duration::ZERO).await, Ok(0), "not ended");
    assert_eq!(purge(JobState::Succeeded, Duration::ZERO).await, Ok(1));
    assert_eq!(purge(JobState::Succeeded, Duration::ZERO).await, Ok(0));
    assert_eq!(
        bench.jobs().get(&ended).await,
        Err(JobError::NotFound(ended.clone()))
    );
    let tops = bench.node.broker.tops(&[Topic::of_job(&ended)]).await;
    assert_eq!(tops, Ok(vec![None]));
    assert!(!bench.submit(bench.keyed("k")).await.duplicate);
    assert_eq!(bench.get(&dead).await.state, JobState::Failed);
    assert_eq!(bench.get(&waiting).await.state, JobState::Queued);
    assert_eq!(purge(JobState::Failed, Duration::ZERO).await, Ok(1));
    assert_eq!(info(&bench).await.dead, 0);
}

pub(crate) async fn the_attempts_tell_why<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    let other = bench.another(&world).await;
    let draft = JobDraft {
        max_attempts: Some(9),
        ..bench.draft()
    };
    let id = bench.submit(draft).await.record.id;
    assert_eq!(bench.node.desk.attempts(&id).await, Ok(Vec::new()));
    let lease = bench.claim_one(LONG).await.lease;
    let failing = bench
        .jobs()
        .fail(&lease, Failure::retryable("no \"luck\"\n"))
        .await;
    assert_eq!(failing, Ok(JobState::Retrying));
    promote(&bench, 1).await;
    let lease = other.claim_one(LONG).await.lease;
    other.jobs().release(&lease).await.expect("held");
    bench.claim_one(SHORT).await;
    bench.reclaim(1).await;
    let lease = other.claim_one(LONG).await.lease;
    let tell = |attempts: Vec<Attempted>| -> Vec<(u32, String, String, Option<String>)> {
        attempts
            .into_iter()
            .map(|one| {
                assert_eq!(one.ended_at.is_none(), one.outcome == "running");
                let worker = one.worker.expect("known").to_string();
                (one.attempt, worker, one.outcome, one.error)
            })
            .collect()
    };
    let mut expected = vec![
        (
            1,
            "worker-1".to_owned(),
            "failed".to_owned(),
            Some("no \"luck\"\n".to_owned()),
        ),
        (2, "worker-2".to_owned(), "released".to_owned(), None),
        (2, "worker-1".to_owned(), "lost".to_owned(), None),
        (3, "worker-2".to_owned(), "running".to_owned(), None),
    ];
    let desk = &bench.node.desk;
    assert_eq!(tell(desk.attempts(&id).await.expect("known")), expected);
    other.jobs().succeed(&lease, json("1")).await.expect("held");
    expected[3].2 = "succeeded".into();
    assert_eq!(tell(desk.attempts(&id).await.expect("known")), expected);
    let unknown = JobId::new(&bench.queue);
    assert_eq!(desk.attempts(&unknown).await, Err(JobError::NotFound(unknown)));
}

pub(crate) async fn only_the_last_attempts_are_remembered<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let id = bench.submit_one().await;
    for _ in 0..30 {
        let lease = bench.claim_one(LONG).await.lease;
        bench.jobs().release(&lease).await.expect("held");
    }
    assert_eq!(bench.node.desk.attempts(&id).await.expect("known").len(), 20);
}

pub(crate) async fn a_checkpoint_is_handed_to_the_next_attempt<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    bench.submit_one().await;
    let claim = bench.claim_one(LONG).await;
    assert_eq!(claim.checkpoint, None);
    let before = bench.all_of(&claim.lease.job).await;
    for kept in ["1", "{ \"page\": 7 }"] {
        bench
            .jobs()
            .checkpoint(&claim.lease, json(kept))
            .await
            .expect("held");
    }
    assert_eq!(bench.all_of(&claim.lease.job).await, before, "it is no entry");
    let large = json(&format!("\"{}\"", "x".repeat(CHECKPOINT_LIMIT)));
    let refused = bench.jobs().checkpoint(&claim.lease, large).await;
    assert!(matches!(refused, Err(JobError::TooLarge { .. })));
    let failing = bench.jobs().fail(&claim.lease, Failure::retryable("no")).await;
    assert_eq!(failing, Ok(JobState::Retrying));
    let stale = bench.jobs().checkpoint(&claim.lease, json("8")).await;
    assert_eq!(stale, Err(JobError::LeaseLost(claim.lease.job)));
    promote(&bench, 1).await;
    let claim = bench.claim_one(LONG).await;
    assert_eq!(claim.checkpoint, Some(json("{ \"page\": 7 }")));
}

pub(crate) async fn a_user_finds_the_jobs_that_have_not_ended<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let ada = UserId::parse("ada").expect("valid");
    let of_ada = |bench: &Bench| JobDraft {
        user: Some(ada.clone()),
        ..bench.draft()
    };
    let elsewhere = bench.on("elsewhere");
    let first = bench.submit(of_ada(&bench)).await.record.id;
    let second = elsewhere.submit(of_ada(&elsewhere)).await.record.id;
    bench.submit_one().await;
    let found = async || -> BTreeSet<JobId> {
        let jobs = other.node.desk.of_user(&ada).await.expect("listed");
        jobs.into_iter().map(|job| job.id).collect()
    };
    assert_eq!(found().await, BTreeSet::from([first.clone(), second.clone()]));
    let lease = bench.claim_one(LONG).await.lease;
    bench.jobs().progress(&lease, percent(1.0)).await.expect("held");
    assert_eq!((&lease.job, found().await.len()), (&first, 2));
    bench.jobs().succeed(&lease, json("1")).await.expect("held");
    assert_eq!(found().await, BTreeSet::from([second.clone()]));
    let lease = elsewhere.claim_one(LONG).await.lease;
    let failing = elsewhere.jobs().fail(&lease, Failure::fatal("no")).await;
    assert_eq!(failing, Ok(JobState::Failed));
    assert!(found().await.is_empty());
    bench.node.desk.redrive(&second).await.expect("dead");
    assert_eq!(found().await, BTreeSet::from([second]));
    let nobody = UserId::parse("nobody").expect("valid");
    assert_eq!(other.node.desk.of_user(&nobody).await, Ok(Vec::new()));
}
