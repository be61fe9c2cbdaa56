//! Jobs that wait for a time.

use std::time::Duration;

use tidegate_shared::job::{JobDraft, JobId, JobState};

use super::{Bench, LONG, SHORT};
use crate::contract::{PATIENCE, World, eventually};

fn delayed(bench: &Bench, delay: Duration) -> JobDraft {
    JobDraft {
        delay,
        ..bench.draft()
    }
}

/// Promotes until so many jobs were.
pub(super) async fn promote(bench: &Bench, number: usize) {
    let mut promoted = 0;
    while promoted < number {
        promoted += eventually("a job is due", || async {
            let now = bench.jobs().promote(&bench.queue).await.expect("promoted");
            Some(now.jobs).filter(|jobs| *jobs > 0)
        })
        .await;
    }
    assert_eq!(promoted, number);
}

pub(crate) async fn a_delayed_job_is_scheduled_and_not_claimed<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let submitted = bench.submit(delayed(&bench, LONG)).await.record;
    assert_eq!((submitted.state, submitted.attempt), (JobState::Scheduled, 0));
    let delay = u64::try_from(LONG.as_millis()).expect("short");
    assert_eq!(submitted.run_at, Some(submitted.created_at + delay));
    let promoted = bench.jobs().promote(&bench.queue).await.expect("promoted");
    assert_eq!(promoted.jobs, 0);
    assert!(promoted.next.is_some_and(|next| next <= LONG && next > LONG / 2));
    assert!(bench.claim(10, LONG).await.is_empty());
    assert_eq!(bench.log(&submitted.id).await, [submitted]);
}

pub(crate) async fn a_delayed_job_is_queued_once_when_it_is_due<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let id = bench.submit(delayed(&bench, SHORT)).await.record.id;
    promote(&other, 1).await;
    let record = bench.get(&id).await;
    assert_eq!((record.state, record.run_at), (JobState::Queued, None));
    assert_eq!(
        bench.jobs().promote(&bench.queue).await.map(|one| one.jobs),
        Ok(0)
    );
    let states: Vec<_> = bench.log(&id).await.iter().map(|one| one.state).collect();
    assert_eq!(states, [JobState::Scheduled, JobState::Queued]);
    assert_eq!(bench.log_in_queue(&id).await, bench.log(&id).await);
    let claim = bench.claim_one(LONG).await;
    assert_eq!((claim.lease.job, claim.record.attempt), (id, 1));
    assert!(bench.claim(10, LONG).await.is_empty());
}

pub(crate) async fn a_job_that_was_delayed_comes_after_those_queued_before<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let mut delay = SHORT * 4;
    loop {
        let late = bench.submit(delayed(&bench, delay)).await.record;
        let early = bench.submit(bench.draft()).await.record;
        promote(&bench, 1).await;
        let claims = bench.claim(2, LONG).await;
        let ids: Vec<&JobId> = claims.iter().map(|claim| &claim.lease.job).collect();
        // On a busy machine it may have been due before the other was submitted.
        if late.run_at > Some(early.created_at) {
            assert_eq!(ids, [&early.id, &late.id]);
            return;
        }
        delay *= 2;
    }
}

pub(crate) async fn a_wait_ends_when_a_delayed_job_is_due<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let waiter = bench.another(&world).await;
    let before = bench.submit(delayed(&bench, SHORT * 3)).await.record.id;
    let working = tokio::spawn(async move {
        let mut got = Vec::new();
        while got.len() < 2 {
            let queues = std::slice::from_ref(&waiter.queue);
            waiter.jobs().wait(queues, LONG).await.expect("waited");
            got.extend(waiter.claim(10, LONG).await.into_iter().map(|one| one.lease.job));
        }
        got.sort();
        got
    });
    // One that is due earlier than what the waiter knows of.
    let meanwhile = bench.submit(delayed(&bench, SHORT)).await.record.id;
    let got = tokio::time::timeout(PATIENCE, working).await;
    let mut both = [before, meanwhile];
    both.sort();
    assert_eq!(got.expect("nothing woke the waiter").expect("no panic"), both);
}

pub(crate) async fn promoting_is_done_in_portions<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    for _ in 0..300 {
        bench.submit(delayed(&bench, Duration::from_millis(1))).await;
    }
    let last = bench.on("last");
    last.submit(delayed(&last, Duration::from_millis(2))).await;
    promote(&last, 1).await;
    for portion in [256, 44, 0] {
        let promoted = bench.jobs().promote(&bench.queue).await;
        assert_eq!(promoted.map(|one| one.jobs), Ok(portion));
    }
    assert_eq!(
        bench.jobs().promote(&bench.queue).await.expect("promoted").next,
        None
    );
}

pub(crate) async fn many_that_promote_at_once_do_it_once<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        let draft = delayed(&bench, Duration::from_millis(1));
        ids.push(bench.submit(draft).await.record.id);
    }
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let bench = [&bench, &other][number % 2].clone();
            tokio::spawn(async move {
                let mut promoted = 0;
                for _ in 0..20 {
                    promoted += bench.jobs().promote(&bench.queue).await.expect("promoted").jobs;
                }
                promoted
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("no panic");
    }
    assert!(sum <= 40, "{sum}");
    if sum < 40 {
        promote(&bench, 40 - sum).await;
    }
    for id in &ids {
        assert_eq!(bench.log(id).await.len(), 2);
    }
}
