//! Attempts that fail, and those that follow.

use std::time::Duration;

use tidegate_shared::broker::From;
use tidegate_shared::job::{Failure, JobDraft, JobError, JobState, QueuePolicy};
use tidegate_shared::topic::Topic;

use super::delaying::promote;
use super::{Bench, LONG, SHORT, percent, record_of};
use crate::contract::broker::{json, read};
use crate::contract::{QUICK, World, eventually};

pub(crate) async fn a_failed_attempt_waits_for_the_next<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    let lease = bench.start_one(LONG).await;
    bench.jobs().progress(&lease, percent(40.0)).await.expect("held");
    let state = bench.jobs().fail(&lease, Failure::retryable("no \"luck\"")).await;
    assert_eq!(state, Ok(JobState::Retrying));
    let record = bench.get(&lease.job).await;
    assert_eq!((record.state, record.attempt), (JobState::Retrying, 1));
    assert_eq!(record.error.as_deref(), Some("no \"luck\""));
    assert!(record.run_at >= record.started_at && record.finished_at.is_none());
    assert!(!record.dead_letter);
    promote(&bench, 1).await;
    assert_eq!(bench.get(&lease.job).await.run_at, None);
    let claim = bench.claim_one(LONG).await;
    assert_eq!((&claim.lease.job, claim.record.attempt), (&lease.job, 2));
    assert_eq!((claim.record.percent, &claim.record.error), (None, &None));
    bench.jobs().succeed(&claim.lease, json("1")).await.expect("held");
    let states: Vec<_> = bench.log(&lease.job).await.iter().map(|one| one.state).collect();
    assert_eq!(
        states,
        [
            JobState::Queued,
            JobState::Running,
            JobState::Running,
            JobState::Retrying,
            JobState::Queued,
            JobState::Running,
            JobState::Succeeded
        ]
    );
    assert_eq!(bench.log_in_queue(&lease.job).await, bench.log(&lease.job).await);
}

pub(crate) async fn a_failure_may_say_when_the_next_attempt_is_due<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    for pause in [Duration::from_secs(3600), Duration::ZERO] {
        let lease = bench.start_one(LONG).await;
        let failure = Failure {
            retry_after: Some(pause),
            ..Failure::retryable("later")
        };
        assert_eq!(bench.jobs().fail(&lease, failure).await, Ok(JobState::Retrying));
        let record = bench.get(&lease.job).await;
        let waits = record
            .run_at
            .zip(record.started_at)
            .map(|(due, started)| due - started);
        let pause = u64::try_from(pause.as_millis()).expect("it fits");
        // The attempt itself took some of it.
        assert!(
            waits.is_some_and(|waits| (pause..pause + 600_000).contains(&waits)),
            "{waits:?}"
        );
    }
}

pub(crate) async fn a_job_that_used_up_its_attempts_is_a_dead_letter<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    for (max_attempts, expected) in [(None, 3), (Some(1), 1), (Some(5), 5)] {
        let draft = JobDraft {
            max_attempts,
            ..bench.draft()
        };
        let id = bench.submit(draft).await.record.id;
        assert_eq!(bench.get(&id).await.max_attempts, expected);
        for attempt in 1..=expected {
            let claim = bench.claim_one(LONG).await;
            assert_eq!((&claim.lease.job, claim.record.attempt), (&id, attempt));
            let failure = Failure::retryable(format!("attempt {attempt}"));
            let state = bench.jobs().fail(&claim.lease, failure).await.expect("held");
            if attempt < expected {
                assert_eq!(state, JobState::Retrying);
                promote(&bench, 1).await;
            } else {
                assert_eq!(state, JobState::Failed);
            }
        }
        let record = bench.get(&id).await;
        assert_eq!((record.state, record.dead_letter), (JobState::Failed, true));
        assert_eq!(record.error, Some(format!("attempt {expected}")));
        assert!(record.finished_at.is_some() && record.run_at.is_none());
        assert!(bench.claim(10, LONG).await.is_empty());
        assert_eq!(
            bench.jobs().promote(&bench.queue).await.expect("promoted").next,
            None
        );
        let log = bench.log(&id).await;
        assert_eq!(log.iter().filter(|one| one.state.is_terminal()).count(), 1);
    }
}

pub(crate) async fn a_fatal_failure_is_not_tried_again<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    let lease = bench.start_one(LONG).await;
    let state = bench.jobs().fail(&lease, Failure::fatal("never")).await;
    assert_eq!(state, Ok(JobState::Failed));
    let record = bench.get(&lease.job).await;
    assert!(record.dead_letter && record.attempt == 1);
}

pub(crate) async fn a_repeated_failure_is_answered_as_the_first_time<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    let draft = JobDraft {
        max_attempts: Some(2),
        ..bench.draft()
    };
    let id = bench.submit(draft).await.record.id;
    let mut stale = Vec::new();
    for expected in [JobState::Retrying, JobState::Failed] {
        let lease = bench.claim_one(LONG).await.lease;
        for failure in [Failure::retryable("first"), Failure::retryable("second")] {
            assert_eq!(bench.jobs().fail(&lease, failure).await, Ok(expected));
        }
        assert_eq!(bench.get(&id).await.error.as_deref(), Some("first"));
        let refused = bench.jobs().succeed(&lease, json("1")).await;
        assert_eq!(refused, Err(JobError::LeaseLost(id.clone())));
        for lease in &stale {
            let refused = bench.jobs().fail(lease, Failure::retryable("stale")).await;
            assert_eq!(refused, Err(JobError::LeaseLost(id.clone())));
        }
        if expected == JobState::Retrying {
            promote(&bench, 1).await;
            let failure = Failure::retryable("also while it is queued");
            assert_eq!(bench.jobs().fail(&lease, failure).await, Ok(expected));
        }
        stale.push(lease);
    }
    assert_eq!(bench.log(&id).await.len(), 6);
}

pub(crate) async fn the_pause_is_a_part_of_a_step_that_doubles<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let base = QueuePolicy::default().retry_base;
    let mut pauses = Vec::new();
    for _ in 0..20 {
        let lease = bench.start_one(LONG).await;
        let failing = bench.jobs().fail(&lease, Failure::retryable("no")).await;
        assert_eq!(failing, Ok(JobState::Retrying));
        let log = read(&bench.node, &Topic::of_job(&lease.job), From::Newest).await;
        let failed = log.publications.last().expect("not empty");
        let run_at = record_of(failed).run_at.expect("it waits for a time");
        let pause = Duration::from_millis(run_at - failed.time_ms);
        assert!(pause <= base, "{pause:?}");
        pauses.push(pause);
    }
    pauses.dedup();
    assert!(pauses.len() > 5, "the pauses are random: {pauses:?}");
}

pub(crate) async fn an_attempt_that_takes_too_long_has_failed<W: World>(world: W) {
    let bench = Bench::new(&world).await.on(QUICK);
    let draft = JobDraft {
        timeout: Some(SHORT),
        max_attempts: Some(2),
        ..bench.draft()
    };
    let submitted = bench.submit(draft).await.record;
    assert_eq!(submitted.timeout_ms, Some(20));
    for expected in [JobState::Retrying, JobState::Failed] {
        let claim = bench.claim_one(LONG).await;
        assert_eq!(claim.record.timeout_ms, Some(20));
        eventually("the attempt is over", || async {
            // Whatever the worker says, the lease ends with the timeout.
            let lease = std::slice::from_ref(&claim.lease);
            bench.jobs().heartbeat(lease, LONG).await.expect("answered");
            let taken = bench.jobs().reclaim(&bench.queue, 1).await.expect("reclaimed");
            (taken == 1).then_some(())
        })
        .await;
        let record = bench.get(&submitted.id).await;
        assert_eq!(record.state, expected);
        assert!(record.error.is_some_and(|error| error.contains("timeout")));
        let late = bench.jobs().succeed(&claim.lease, json("1")).await;
        assert_eq!(late, Err(JobError::LeaseLost(submitted.id.clone())));
        if expected == JobState::Retrying {
            promote(&bench, 1).await;
        }
    }
    assert!(bench.get(&submitted.id).await.dead_letter);
}

pub(crate) async fn a_lost_worker_is_no_timeout<W: World>(world: W) {
    let bench = Bench::new(&world).await;
    let draft = JobDraft {
        timeout: Some(LONG),
        ..bench.draft()
    };
    let id = bench.submit(draft).await.record.id;
    bench.claim_one(SHORT).await;
    bench.reclaim(1).await;
    assert_eq!(bench.get(&id).await.state, JobState::Queued);
}
