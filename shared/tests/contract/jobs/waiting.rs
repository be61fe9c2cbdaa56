//! Waiting for work. A wait may end early or late by contract, so these look at whether who waits and
//! then claims gets the job in good time.

use std::time::Duration;

use tidegate_shared::job::JobId;
use tidegate_shared::name::QueueName;

use super::{Bench, LONG, SHORT};
use crate::contract::{PATIENCE, World};

/// Longer than any case may take: a wait that only its timeout ends fails the case.
const TOO_LONG: Duration = Duration::from_secs(300);

/// Waits on some queues and claims from the bench's until there is a job.
async fn wait_and_claim(bench: Bench, queues: Vec<QueueName>) -> JobId {
    let working = async {
        loop {
            if let Some(claim) = bench.claim(1, LONG).await.pop() {
                return claim.lease.job;
            }
            bench.jobs().wait(&queues, TOO_LONG).await.expect("waited");
        }
    };
    tokio::time::timeout(PATIENCE, working)
        .await
        .expect("nothing woke the waiter")
}

/// A waiter gets this much time to be really waiting before there is work. Only how well a case can
/// see a missing wake-up depends on it.
const HEAD_START: Duration = Duration::from_millis(15);

/// Starts to wait and claim, elsewhere, while there is no job.
async fn start_waiter<W: World>(world: &W, bench: &Bench) -> tokio::task::JoinHandle<JobId> {
    let waiter = bench.another(world).await;
    let queues = vec![waiter.queue.clone()];
    let mut task = tokio::spawn(wait_and_claim(waiter, queues));
    let early = tokio::time::timeout(HEAD_START, &mut task).await;
    assert!(early.is_err(), "claimed what nobody submitted: {early:?}");
    task
}

pub(crate) async fn a_wait_ends_with_its_timeout<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let queue = std::slice::from_ref(&bench.queue);
    for timeout in [
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_millis(60),
    ] {
        for queues in [queue, &[]] {
            let waiting = bench.jobs().wait(queues, timeout);
            let ended = tokio::time::timeout(PATIENCE, waiting).await;
            assert_eq!(ended.expect("the wait did not end"), Ok(()));
        }
    }
}

pub(crate) async fn a_wait_ends_when_a_job_is_submitted<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    for _ in 0..5 {
        let waiter = start_waiter(&world, &bench).await;
        let id = bench.submit_one().await;
        assert_eq!(waiter.await.expect("no panic"), id);
    }
}

pub(crate) async fn a_wait_ends_at_once_where_a_job_is_waiting<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    bench.submit_one().await;
    let waiting = bench.jobs().wait(std::slice::from_ref(&bench.queue), TOO_LONG);
    let ended = tokio::time::timeout(PATIENCE, waiting).await;
    assert_eq!(ended.expect("the wait did not end"), Ok(()));
}

pub(crate) async fn a_wait_is_for_any_of_its_queues<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let names = ["a", "b", "c"];
    let queues: Vec<QueueName> = names.iter().map(|name| bench.on(name).queue).collect();
    for name in names {
        let one = bench.on(name);
        let mut waiter = tokio::spawn(wait_and_claim(one.clone(), queues.clone()));
        let early = tokio::time::timeout(HEAD_START, &mut waiter).await;
        assert!(early.is_err(), "claimed what nobody submitted: {early:?}");
        let id = one.submit_one().await;
        assert_eq!(waiter.await.expect("no panic"), id);
    }
}

pub(crate) async fn a_job_that_is_queued_again_ends_a_wait<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let released = bench.start_one(LONG).await;
    let waiter = start_waiter(&world, &bench).await;
    bench.jobs().release(&released).await.expect("held");
    assert_eq!(waiter.await.expect("no panic"), released.job);

    let lost = bench.start_one(SHORT).await;
    let waiter = start_waiter(&world, &bench).await;
    bench.reclaim(1).await;
    assert_eq!(waiter.await.expect("no panic"), lost.job);
}

pub(crate) async fn many_waiters_leave_no_job_lying<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    for _ in 0..5 {
        let mut waiters = Vec::new();
        for _ in 0..4 {
            waiters.push(start_waiter(&world, &bench).await);
        }
        let mut submitted = Vec::new();
        for _ in 0..4 {
            submitted.push(bench.submit_one().await);
        }
        let mut claimed = Vec::new();
        for waiter in waiters {
            claimed.push(waiter.await.expect("no panic"));
        }
        submitted.sort();
        claimed.sort();
        assert_eq!(claimed, submitted);
    }
}
