//! Leases that run out, are renewed, are given back.

use tidegate_shared::job::{Beat, JobId, JobState, Lease, MAX_STALLS_DEFAULT, Token};

use super::{Bench, LONG, SHORT, percent};
use crate::contract::World;
use crate::contract::broker::json;

pub(crate) async fn a_job_whose_lease_ran_out_is_queued_again<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let lost = bench.start_one(SHORT).await;
    other.reclaim(1).await;
    let record = bench.get(&lost.job).await;
    assert_eq!((record.state, record.attempt), (JobState::Queued, 1));
    assert!(record.error.is_none() && record.finished_at.is_none());
    let claim = other.claim_one(LONG).await;
    assert_eq!((&claim.lease.job, claim.record.attempt), (&lost.job, 2));
    assert_ne!(claim.lease.token, lost.token);
    assert!(claim.record.started_at >= record.started_at);
    other.jobs().succeed(&claim.lease, json("1")).await.expect("held");
    let states: Vec<JobState> = bench.log(&lost.job).await.iter().map(|one| one.state).collect();
    assert_eq!(
        states,
        [
            JobState::Queued,
            JobState::Running,
            JobState::Queued,
            JobState::Running,
            JobState::Succeeded
        ]
    );
}

pub(crate) async fn a_lease_that_has_not_run_out_is_left_alone<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let held = bench.start_one(LONG).await;
    bench.start_one(SHORT).await;
    bench.reclaim(1).await;
    assert_eq!(bench.jobs().reclaim(&bench.queue, 3).await, Ok(0));
    bench
        .jobs()
        .progress(&held, percent(1.0))
        .await
        .expect("still held");
}

pub(crate) async fn a_heartbeat_keeps_the_lease_and_writes_nothing<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let kept = bench.start_one(LONG).await;
    let before = bench.all_of(&kept.job).await;
    // Shortened at first, to show that it is the last word that counts.
    for lease in [SHORT, LONG] {
        let beats = bench.jobs().heartbeat(std::slice::from_ref(&kept), lease).await;
        assert_eq!(beats, Ok(vec![Beat::Extended]));
    }
    assert_eq!(bench.all_of(&kept.job).await, before);
    bench.start_one(SHORT).await;
    bench.reclaim(1).await;
    bench
        .jobs()
        .progress(&kept, percent(1.0))
        .await
        .expect("still held");
    // And shortened to the end.
    let beats = bench.jobs().heartbeat(std::slice::from_ref(&kept), SHORT).await;
    assert_eq!(beats, Ok(vec![Beat::Extended]));
    bench.reclaim(1).await;
    assert_eq!(bench.get(&kept.job).await.state, JobState::Queued);
}

pub(crate) async fn heartbeats_are_answered_one_by_one_in_order<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.on("other");
    assert_eq!(bench.jobs().heartbeat(&[], LONG).await, Ok(Vec::new()));
    let unknown = |bench: &Bench| Lease {
        job: JobId::new(&bench.queue),
        token: Token::random(),
    };
    let (held, ended) = (bench.start_one(LONG).await, bench.start_one(LONG).await);
    bench.jobs().succeed(&ended, json("1")).await.expect("held");
    let elsewhere = other.start_one(LONG).await;
    let mut leases = vec![
        unknown(&bench),
        held.clone(),
        ended,
        elsewhere,
        unknown(&other),
        held.clone(),
    ];
    let mut expected = vec![
        Beat::Lost,
        Beat::Extended,
        Beat::Lost,
        Beat::Extended,
        Beat::Lost,
        Beat::Extended,
    ];
    assert_eq!(bench.jobs().heartbeat(&leases, LONG).await, Ok(expected.clone()));
    // More than fit into one step of a backend.
    for number in 0..600 {
        leases.push(if number % 3 == 0 {
            held.clone()
        } else {
            unknown(&bench)
        });
        expected.push(if number % 3 == 0 {
            Beat::Extended
        } else {
            Beat::Lost
        });
    }
    assert_eq!(bench.jobs().heartbeat(&leases, LONG).await, Ok(expected));
}

pub(crate) async fn a_lease_that_ran_out_counts_until_it_is_taken_back<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.on("other");
    let run_out = bench.start_one(SHORT).await;
    // This one runs out later, and is seen to have.
    other.start_one(SHORT * 2).await;
    other.reclaim(1).await;
    bench.jobs().progress(&run_out, percent(5.0)).await.expect("held");
    let beats = bench.jobs().heartbeat(std::slice::from_ref(&run_out), LONG).await;
    assert_eq!(beats, Ok(vec![Beat::Extended]));
    assert_eq!(bench.jobs().reclaim(&bench.queue, 3).await, Ok(0));
    bench.jobs().succeed(&run_out, json("1")).await.expect("held");
}

pub(crate) async fn a_job_that_stalls_too_often_has_failed<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let id = bench.submit_one().await;
    for stall in 1..=MAX_STALLS_DEFAULT {
        let claim = bench.claim_one(SHORT).await;
        assert_eq!((&claim.lease.job, claim.record.attempt), (&id, stall));
        bench.reclaim(1).await;
    }
    let record = bench.get(&id).await;
    assert_eq!(
        (record.state, record.attempt),
        (JobState::Failed, MAX_STALLS_DEFAULT)
    );
    assert!(
        record.error.as_ref().is_some_and(|error| !error.is_empty()),
        "{record:?}"
    );
    assert!(record.finished_at >= record.started_at);
    assert!(bench.claim(10, LONG).await.is_empty());
    assert_eq!(bench.jobs().reclaim(&bench.queue, 3).await, Ok(0));
    let log = bench.log(&id).await;
    assert_eq!(log.iter().filter(|one| one.state.is_terminal()).count(), 1);
    assert_eq!(bench.log_in_queue(&id).await, log);
}

pub(crate) async fn with_one_stall_allowed_the_first_is_the_end<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(SHORT).await;
    bench.reclaim_with(1, 1).await;
    assert_eq!(bench.get(&lease.job).await.state, JobState::Failed);
}

pub(crate) async fn a_job_taken_back_comes_before_its_equals<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lost = bench.start_one(SHORT).await.job;
    let waiting = bench.submit_one().await;
    bench.reclaim(1).await;
    let claims = bench.claim(2, LONG).await;
    let ids: Vec<&JobId> = claims.iter().map(|claim| &claim.lease.job).collect();
    assert_eq!(ids, [&lost, &waiting]);
}

pub(crate) async fn a_released_job_comes_before_its_equals_and_keeps_its_attempt<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let waiting = bench.submit_one().await;
    bench.jobs().release(&lease).await.expect("held");
    let record = bench.get(&lease.job).await;
    assert_eq!((record.state, record.attempt), (JobState::Queued, 1));
    let claims = bench.claim(2, LONG).await;
    let got: Vec<(&JobId, u32)> = claims
        .iter()
        .map(|claim| (&claim.lease.job, claim.record.attempt))
        .collect();
    assert_eq!(got, [(&lease.job, 1), (&waiting, 1)]);
    // An attempt that is not given back counts again.
    let beats = bench.jobs().heartbeat(&[claims[0].lease.clone()], SHORT).await;
    assert_eq!(beats, Ok(vec![Beat::Extended]));
    bench.reclaim(1).await;
    assert_eq!(bench.claim_one(LONG).await.record.attempt, 2);
}

pub(crate) async fn a_release_is_no_stall<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let id = bench.submit_one().await;
    for _ in 0..5 {
        let claim = bench.claim_one(LONG).await;
        assert_eq!(claim.record.attempt, 1);
        bench.jobs().release(&claim.lease).await.expect("held");
    }
    bench.claim_one(SHORT).await;
    bench.reclaim_with(1, 2).await;
    assert_eq!(bench.get(&id).await.state, JobState::Queued);
}

pub(crate) async fn many_that_take_back_at_once_do_it_once<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(bench.submit_one().await);
    }
    assert_eq!(bench.claim(40, SHORT).await.len(), 40);
    // Once this one's lease has run out, those have too.
    let last = bench.on("last");
    last.start_one(SHORT * 2).await;
    last.reclaim(1).await;
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let bench = [&bench, &other][number % 2].clone();
            tokio::spawn(async move { bench.jobs().reclaim(&bench.queue, 3).await.expect("reclaimed") })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("no panic");
    }
    assert_eq!(sum, 40);
    for id in &ids {
        assert_eq!(bench.log(id).await.len(), 3);
    }
    assert_eq!(bench.claim(100, LONG).await.len(), 40);
}

pub(crate) async fn taking_back_is_done_in_portions<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    for _ in 0..300 {
        bench.submit_one().await;
    }
    let first = bench.claim(200, SHORT).await.len();
    assert_eq!(first + bench.claim(200, SHORT).await.len(), 300);
    let last = bench.on("last");
    last.start_one(SHORT * 2).await;
    last.reclaim(1).await;
    for portion in [256, 44, 0] {
        assert_eq!(bench.jobs().reclaim(&bench.queue, 3).await, Ok(portion));
    }
}

pub(crate) async fn other_queues_are_left_alone<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.on("other");
    let lease = other.start_one(SHORT).await;
    bench.start_one(SHORT * 2).await;
    bench.reclaim(1).await;
    assert_eq!(other.get(&lease.job).await.state, JobState::Running);
    other.reclaim(1).await;
}
