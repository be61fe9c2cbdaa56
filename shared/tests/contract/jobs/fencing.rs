//! A write whose lease is not the one that holds the job changes nothing.

use tidegate_shared::job::{Beat, Failure, JobError, JobId, JobState, Lease, Token};

use super::{Bench, LONG, SHORT, percent};
use crate::contract::World;
use crate::contract::broker::json;

/// Which writes of a worker to try.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    All,
    /// All but repeating the success, which is allowed to who succeeded.
    NoSuccess,
}

/// Tries the writes of a worker with a lease that must not count, from two nodes.
async fn assert_powerless(benches: [&Bench; 2], lease: &Lease, writes: Writes) {
    for bench in benches {
        let jobs = bench.jobs();
        let lost = Err(JobError::LeaseLost(lease.job.clone()));
        assert_eq!(jobs.progress(lease, percent(77.0)).await, lost);
        for failure in [Failure::fatal("stale"), Failure::retryable("stale")] {
            let refused = jobs.fail(lease, failure).await;
            assert_eq!(refused, Err(JobError::LeaseLost(lease.job.clone())));
        }
        assert_eq!(jobs.cancelled(lease).await, lost);
        assert_eq!(jobs.release(lease).await, lost);
        if writes == Writes::All {
            assert_eq!(jobs.succeed(lease, json("\"stale\"")).await, lost);
        }
        let beats = jobs.heartbeat(std::slice::from_ref(lease), LONG).await;
        assert_eq!(beats, Ok(vec![Beat::Lost]));
    }
}

/// The same, and that nothing of the job has changed by it.
async fn assert_changes_nothing(benches: [&Bench; 2], lease: &Lease, writes: Writes) {
    let before = benches[0].all_of(&lease.job).await;
    assert_powerless(benches, lease, writes).await;
    assert_eq!(benches[0].all_of(&lease.job).await, before);
}

pub(crate) async fn a_made_up_token_changes_nothing<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let held = bench.start_one(LONG).await;
    let made_up = Lease {
        job: held.job.clone(),
        token: Token::random(),
    };
    assert_changes_nothing([&bench, &other], &made_up, Writes::All).await;
    bench.jobs().succeed(&held, json("1")).await.expect("still held");
    assert_changes_nothing([&bench, &other], &made_up, Writes::All).await;
}

pub(crate) async fn a_lease_taken_back_changes_nothing<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let stale = bench.start_one(SHORT).await;
    other.reclaim(1).await;
    assert_changes_nothing([&bench, &other], &stale, Writes::All).await;
    assert_eq!(bench.get(&stale.job).await.state, JobState::Queued);
}

pub(crate) async fn a_lease_taken_back_changes_nothing_for_the_next_holder<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let stale = bench.start_one(SHORT).await;
    other.reclaim(1).await;
    let held = other.claim_one(LONG).await;
    assert_eq!((&held.lease.job, held.record.attempt), (&stale.job, 2));
    assert_changes_nothing([&bench, &other], &stale, Writes::All).await;
    other.jobs().succeed(&held.lease, json("1")).await.expect("held");
    assert_changes_nothing([&bench, &other], &stale, Writes::All).await;
    assert_eq!(bench.get(&stale.job).await.result, Some(json("1")));
}

pub(crate) async fn a_lease_given_back_changes_nothing<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let stale = bench.start_one(LONG).await;
    bench.jobs().release(&stale).await.expect("held");
    assert_changes_nothing([&bench, &other], &stale, Writes::All).await;
    let held = bench.claim_one(LONG).await.lease;
    assert_changes_nothing([&bench, &other], &stale, Writes::All).await;
    bench
        .jobs()
        .fail(&held, Failure::fatal("no"))
        .await
        .expect("held");
    assert_changes_nothing([&bench, &other], &stale, Writes::All).await;
}

pub(crate) async fn a_lease_changes_nothing_after_the_end<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let ended = bench.start_one(SHORT).await;
    bench.jobs().succeed(&ended, json("1")).await.expect("held");
    assert_changes_nothing([&bench, &other], &ended, Writes::NoSuccess).await;
    // And that the lease would have run out by now is nobody's affair any more.
    let marker = bench.start_one(SHORT).await;
    bench.reclaim(1).await;
    assert_eq!(bench.get(&marker.job).await.state, JobState::Queued);
    assert_eq!(bench.get(&ended.job).await.state, JobState::Succeeded);
}

pub(crate) async fn a_lease_changes_nothing_once_the_job_was_given_up<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let stale = bench.start_one(SHORT).await;
    other.reclaim_with(1, 1).await;
    assert_eq!(bench.get(&stale.job).await.state, JobState::Failed);
    // It was not this lease that ended it, so failing is no repetition either.
    assert_changes_nothing([&bench, &other], &stale, Writes::All).await;
}

pub(crate) async fn a_lease_on_an_unknown_job_is_lost<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let lease = Lease {
        job: JobId::new(&bench.queue),
        token: Token::random(),
    };
    assert_powerless([&bench, &other], &lease, Writes::All).await;
    let made = bench.jobs().get(&lease.job).await;
    assert_eq!(made, Err(JobError::NotFound(lease.job)));
}

pub(crate) async fn a_waiting_job_cannot_be_written_to<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let lease = Lease {
        job: bench.submit_one().await,
        token: Token::random(),
    };
    assert_changes_nothing([&bench, &other], &lease, Writes::All).await;
    assert_eq!(bench.claim(2, LONG).await.len(), 1);
}
