//! Jobs that somebody wants to end.

use tidegate_shared::job::{Beat, Failure, JobDraft, JobError, JobId, JobState};

use super::{Bench, LONG, SHORT, percent};
use crate::contract::broker::json;
use crate::contract::{QUICK, World};

async fn terminal_entries(bench: &Bench, id: &JobId) -> usize {
    let log = bench.log(id).await;
    assert_eq!(bench.log_in_queue(id).await, log);
    log.iter().filter(|one| one.state.is_terminal()).count()
}

pub(crate) async fn a_waiting_job_is_cancelled_at_once<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    let other = bench.another(&world).await;
    let queued = bench.submit_one().await;
    let scheduled = JobDraft {
        delay: LONG,
        ..bench.draft()
    };
    let scheduled = bench.submit(scheduled).await.record.id;
    let bystander = JobDraft {
        delay: LONG,
        ..bench.draft()
    };
    let bystander = bench.submit(bystander).await.record.id;
    for id in [&queued, &scheduled] {
        let record = other.jobs().cancel(id).await.expect("cancelled");
        assert_eq!((record.state, record.run_at), (JobState::Cancelled, None));
        assert!(record.finished_at.is_some());
        assert_eq!(bench.get(id).await, record);
        assert_eq!(terminal_entries(&bench, id).await, 1);
        assert_eq!(bench.log(id).await.len(), 2);
    }
    assert!(bench.claim(10, LONG).await.is_empty());
    assert_eq!(bench.get(&bystander).await.state, JobState::Scheduled);
}

pub(crate) async fn a_job_between_two_attempts_is_cancelled_at_once<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let state = bench.jobs().fail(&lease, Failure::retryable("no")).await;
    assert_eq!(state, Ok(JobState::Retrying));
    let record = bench.jobs().cancel(&lease.job).await.expect("cancelled");
    assert_eq!((record.state, record.run_at), (JobState::Cancelled, None));
    assert_eq!(
        bench.jobs().promote(&bench.queue).await.expect("promoted").next,
        None
    );
    assert_eq!(terminal_entries(&bench, &lease.job).await, 1);
}

pub(crate) async fn the_worker_of_a_running_job_is_told_and_ends_it<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let other = bench.another(&world).await;
    let lease = bench.start_one(LONG).await;
    let record = other.jobs().cancel(&lease.job).await.expect("asked for");
    assert_eq!((record.state, record.cancelling), (JobState::Running, true));
    let beats = bench.jobs().heartbeat(std::slice::from_ref(&lease), LONG).await;
    assert_eq!(beats, Ok(vec![Beat::Cancel]));
    // Until it has ended it may go on reporting.
    bench.jobs().progress(&lease, percent(50.0)).await.expect("held");
    assert!(bench.get(&lease.job).await.cancelling);
    for _ in 0..2 {
        bench.jobs().cancelled(&lease).await.expect("held");
    }
    let record = bench.get(&lease.job).await;
    assert_eq!((record.state, record.cancelling), (JobState::Cancelled, false));
    let states: Vec<_> = bench.log(&lease.job).await.iter().map(|one| one.state).collect();
    assert_eq!(
        states,
        [
            JobState::Queued,
            JobState::Running,
            JobState::Running,
            JobState::Running,
            JobState::Cancelled
        ]
    );
    let late = bench.jobs().succeed(&lease, json("1")).await;
    assert_eq!(late, Err(JobError::LeaseLost(lease.job.clone())));
}

pub(crate) async fn asking_again_to_cancel_changes_nothing<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(LONG).await;
    let first = bench.jobs().cancel(&lease.job).await;
    let before = bench.all_of(&lease.job).await;
    assert_eq!(bench.jobs().cancel(&lease.job).await, first);
    assert_eq!(bench.all_of(&lease.job).await, before);
    bench
        .jobs()
        .succeed(&lease, json("1"))
        .await
        .expect("it was faster");
    let ended = bench.all_of(&lease.job).await;
    let record = bench.jobs().cancel(&lease.job).await.expect("answered");
    assert_eq!((record.state, record.cancelling), (JobState::Succeeded, false));
    assert_eq!(bench.all_of(&lease.job).await, ended);
    let unknown = JobId::new(&bench.queue);
    assert_eq!(
        bench.jobs().cancel(&unknown).await,
        Err(JobError::NotFound(unknown))
    );
}

pub(crate) async fn a_job_whose_worker_does_not_listen_is_cancelled_after_the_grace<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    let lease = bench.start_one(LONG).await;
    bench.jobs().cancel(&lease.job).await.expect("asked for");
    // A heartbeat does not save it.
    let beats = bench.jobs().heartbeat(std::slice::from_ref(&lease), LONG).await;
    assert_eq!(beats, Ok(vec![Beat::Cancel]));
    bench.reclaim(1).await;
    assert_eq!(bench.get(&lease.job).await.state, JobState::Cancelled);
    assert_eq!(terminal_entries(&bench, &lease.job).await, 1);
    let before = bench.all_of(&lease.job).await;
    let jobs = bench.jobs();
    assert!(jobs.progress(&lease, percent(1.0)).await.is_err());
    assert!(jobs.succeed(&lease, json("1")).await.is_err());
    assert!(jobs.cancelled(&lease).await.is_err());
    let beats = jobs.heartbeat(std::slice::from_ref(&lease), LONG).await;
    assert_eq!(beats, Ok(vec![Beat::Lost]));
    assert_eq!(bench.all_of(&lease.job).await, before);
}

pub(crate) async fn a_job_to_be_cancelled_is_not_run_again<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let released = bench.start_one(LONG).await;
    bench.jobs().cancel(&released.job).await.expect("asked for");
    bench.jobs().release(&released).await.expect("held");
    let failed = bench.start_one(LONG).await;
    bench.jobs().cancel(&failed.job).await.expect("asked for");
    for _ in 0..2 {
        let state = bench
            .jobs()
            .fail(&failed, Failure::retryable("interrupted"))
            .await;
        assert_eq!(state, Ok(JobState::Cancelled));
    }
    let lost = bench.start_one(SHORT).await;
    bench.jobs().cancel(&lost.job).await.expect("asked for");
    bench.reclaim(1).await;
    for id in [&released.job, &failed.job, &lost.job] {
        let record = bench.get(id).await;
        assert_eq!((record.state, record.cancelling), (JobState::Cancelled, false));
        assert_eq!(terminal_entries(&bench, id).await, 1);
    }
    let broken = bench.start_one(LONG).await;
    bench.jobs().cancel(&broken.job).await.expect("asked for");
    let state = bench.jobs().fail(&broken, Failure::fatal("broken")).await;
    assert_eq!(state, Ok(JobState::Failed));
    assert!(bench.claim(10, LONG).await.is_empty());
}

pub(crate) async fn cancelling_lengthens_no_lease<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let lease = bench.start_one(SHORT).await;
    bench.jobs().cancel(&lease.job).await.expect("asked for");
    // Long before the grace is over.
    bench.reclaim(1).await;
    assert_eq!(bench.get(&lease.job).await.state, JobState::Cancelled);
}
