//! Claiming: who gets which job, in which order.

use std::collections::{BTreeSet, HashSet};

use tidegate_shared::job::{CLAIM_LIMIT, JobDraft, JobId, JobState, Priority};

use super::{Bench, LONG};
use crate::contract::World;

pub(crate) async fn a_claim_hands_out_the_job_and_begins_an_attempt<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let draft = bench.draft();
    let submitted = bench.submit(draft.clone()).await.record;
    let claim = bench.another(&world).await.claim_one(LONG).await;
    assert_eq!((&claim.lease.job, &claim.data), (&draft.id, &draft.data));
    assert_eq!((claim.record.state, claim.record.attempt), (JobState::Running, 1));
    assert!(claim.record.started_at >= Some(submitted.created_at));
    assert!(claim.record.finished_at.is_none());
    assert_eq!(bench.log(&draft.id).await, [submitted, claim.record]);
}

pub(crate) async fn an_empty_queue_gives_nothing<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    assert!(bench.claim(10, LONG).await.is_empty());
    bench.on("other").submit_one().await;
    assert!(bench.claim(10, LONG).await.is_empty());
    bench.submit_one().await;
    assert!(bench.claim(0, LONG).await.is_empty());
    assert_eq!(bench.claim(10, LONG).await.len(), 1);
    assert!(bench.claim(10, LONG).await.is_empty());
}

pub(crate) async fn a_higher_priority_comes_first_then_the_older<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let priorities = [5, 0, 9, 5, 1, 9, 0, 5, 8, 9];
    let mut submitted: Vec<(u8, usize, JobId)> = Vec::new();
    for (age, priority) in priorities.into_iter().enumerate() {
        let priority = Priority::new(priority).expect("in range");
        let draft = JobDraft {
            priority,
            ..bench.draft()
        };
        submitted.push((9 - priority.get(), age, bench.submit(draft).await.record.id));
    }
    submitted.sort();
    let expected: Vec<JobId> = submitted.into_iter().map(|(_, _, id)| id).collect();
    let mut claimed = Vec::new();
    for limit in [1, 4, 2, 10] {
        let claims = bench.claim(limit, LONG).await;
        claimed.extend(claims.into_iter().map(|claim| claim.lease.job));
    }
    assert_eq!(claimed, expected);
}

pub(crate) async fn a_claim_gives_at_most_what_was_asked_for<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    for _ in 0..5 {
        bench.submit_one().await;
    }
    for (limit, given) in [(2, 2), (2, 2), (2, 1), (2, 0)] {
        assert_eq!(bench.claim(limit, LONG).await.len(), given);
    }
}

pub(crate) async fn a_claim_gives_at_most_its_limit<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    for _ in 0..CLAIM_LIMIT + 3 {
        bench.submit_one().await;
    }
    assert_eq!(bench.claim(usize::MAX, LONG).await.len(), CLAIM_LIMIT);
    assert_eq!(bench.claim(usize::MAX, LONG).await.len(), 3);
}

pub(crate) async fn a_job_is_claimed_once_however_many_ask<W: World>(world: W) {
    let one = Bench::new(&world).await;
    let other = one.another(&world).await;
    let mut submitted = BTreeSet::new();
    for _ in 0..200 {
        submitted.insert(one.submit_one().await);
    }
    let workers: Vec<_> = (0..6)
        .map(|number| {
            let bench = [&one, &other][number % 2].clone();
            tokio::spawn(async move {
                let mut got = Vec::new();
                loop {
                    let claims = bench.claim(1 + number % 3, LONG).await;
                    if claims.is_empty() {
                        return got;
                    }
                    got.extend(claims.into_iter().map(|claim| claim.lease.job));
                }
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.expect("no panic"));
    }
    assert_eq!(claimed.len(), 200);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), submitted);
}

pub(crate) async fn each_claim_has_a_token_of_its_own<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let mut tokens = HashSet::new();
    for _ in 0..10 {
        bench.submit_one().await;
    }
    for claim in bench.claim(9, LONG).await {
        tokens.insert(claim.lease.token);
    }
    for _ in 0..3 {
        let lease = bench.claim_one(LONG).await.lease;
        tokens.insert(lease.token);
        bench.jobs().release(&lease).await.expect("held");
    }
    assert_eq!(tokens.len(), 12);
}
