//! What becomes of a job whose handler fails, is told to stop, or runs out of time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_shared::job::{JobState, TIMED_OUT};
use tidegate_worker::{Context, JobFailure, Stopped, Trial};

use crate::Any;
use crate::support::{result, terminals};

#[tokio::test]
async fn an_ordinary_failure_is_tried_again_and_so_is_a_panic() {
    let handler = async |_: Value, context: Context<Any>| match context.attempt() {
        1 => Err(JobFailure::new("not yet")),
        2 => panic!("not ever"),
        attempt => Ok(json!(attempt)),
    };
    let trial = Trial::of(handler).attempts(3).run(()).await.expect("a trial");
    assert_eq!(result(&trial.record), json!(3));
    let errors: Vec<_> = trial
        .log
        .iter()
        .filter(|record| record.state == JobState::Retrying)
        .filter_map(|record| record.error.as_deref())
        .collect();
    assert_eq!(errors, ["not yet", "the handler panicked: not ever"]);
    assert_eq!(terminals(&trial.log), 1);
}

#[tokio::test]
async fn a_job_fails_when_its_attempts_are_used_up() {
    let handler = async |_: Value, context: Context<Any>| {
        Err::<Value, _>(JobFailure::new(format_args!("attempt {}", context.attempt())))
    };
    let trial = Trial::of(handler).attempts(2).run(()).await.expect("a trial");
    let record = trial.record;
    assert_eq!(
        (
            record.state,
            record.attempt,
            record.error.as_deref(),
            record.dead_letter
        ),
        (JobState::Failed, 2, Some("attempt 2"), true)
    );
}

struct Number;

impl tidegate_worker::Job for Number {
    const TYPE: &'static str = "number";
    type Input = u8;
    type Progress = ();
    type Output = u8;
}

#[tokio::test]
async fn what_cannot_succeed_is_not_tried_again() {
    let fatal = async |_: Value, _: Context<Any>| Err::<Value, _>(JobFailure::fatal("no such picture"));
    let large = async |_: Value, _: Context<Any>| Ok::<_, JobFailure>(json!("r".repeat(70_000)));
    for trial in [
        Trial::of(fatal).attempts(5).run(()).await,
        Trial::of(large).attempts(5).run(()).await,
    ] {
        let record = trial.expect("a trial").record;
        assert_eq!(
            (record.state, record.attempt),
            (JobState::Failed, 1),
            "{:?}",
            record.error
        );
    }
    let handler = async |n: u8, _: Context<Number>| Ok::<_, JobFailure>(n);
    let trial = Trial::of(handler).attempts(5).run("many").await.expect("a trial");
    assert_eq!((trial.record.state, trial.record.attempt), (JobState::Failed, 1));
}

#[tokio::test]
async fn a_cancelled_job_is_told_to_its_handler() {
    let waits = async |_: Value, context: Context<Any>| {
        context.message("waiting");
        assert!(!context.is_cancelled());
        let Stopped = context.cancelled().await;
        assert!(context.is_cancelled() && context.check().is_err() && !context.is_lost());
        Err::<Value, _>(JobFailure::fatal("whatever it says now"))
    };
    let blocks = async |_: Value, context: Context<Any>| {
        let work = |context: Context<Any>| -> Result<Value, JobFailure> {
            loop {
                context.message("working");
                context.check()?;
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        context.spawn_blocking(work).await
    };
    let reports = |record: &tidegate_shared::job::JobRecord| record.message.is_some();
    for trial in [
        Trial::of(waits).attempts(3).cancel_when(reports).run(()).await,
        Trial::of(blocks).attempts(3).cancel_when(reports).run(()).await,
    ] {
        let trial = trial.expect("a trial");
        assert_eq!(
            (trial.record.state, trial.record.attempt),
            (JobState::Cancelled, 1)
        );
        assert!(trial.log.iter().any(|record| record.cancelling));
        assert_eq!(terminals(&trial.log), 1);
    }
}

#[tokio::test]
async fn a_result_counts_although_the_job_was_to_be_cancelled() {
    let handler = async |_: Value, context: Context<Any>| {
        context.message("waiting");
        context.cancelled().await;
        Ok::<_, JobFailure>(json!("done anyway"))
    };
    let trial = Trial::of(handler).cancel_when(|record| record.message.is_some());
    let trial = trial.run(()).await.expect("a trial");
    assert_eq!(result(&trial.record), json!("done anyway"));
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_stopped_and_tried_again() {
    let handler = async |_: Value, context: Context<Any>| {
        let left = context.deadline().expect("there is one");
        assert!(left <= Instant::now() + Duration::from_millis(200));
        if context.attempt() == 2 {
            return Ok(json!("quicker"));
        }
        Err(context.stopped().await.into())
    };
    let timeout = Duration::from_millis(200);
    let trial = Trial::of(handler)
        .attempts(2)
        .timeout(timeout)
        .run(())
        .await
        .expect("a trial");
    assert_eq!(result(&trial.record), json!("quicker"));
    let retrying = trial.log.iter().find(|record| record.state == JobState::Retrying);
    assert_eq!(
        retrying.and_then(|record| record.error.as_deref()),
        Some(TIMED_OUT)
    );
}

#[tokio::test]
async fn without_a_timeout_there_is_no_deadline() {
    let handler =
        async |_: Value, context: Context<Any>| Ok::<_, JobFailure>(json!(context.deadline().is_none()));
    let trial = tidegate_worker::try_out(handler, ()).await.expect("a trial");
    assert_eq!(result(&trial.record), json!(true));
}

#[tokio::test]
async fn a_panic_on_a_thread_of_its_own_is_a_panic_of_the_handler() {
    let handler = async |_: Value, context: Context<Any>| {
        let work = |_: Context<Any>| -> Result<Value, JobFailure> { panic!("no more {}", "paper") };
        context.spawn_blocking(work).await
    };
    let trial = tidegate_worker::try_out(handler, ()).await.expect("a trial");
    assert_eq!(
        trial.record.error.as_deref(),
        Some("the handler panicked: no more paper")
    );
}

#[tokio::test]
async fn blocking_code_can_use_what_is_async() {
    let handler = async |_: Value, context: Context<Any>| {
        let work = |context: Context<Any>| {
            let topic = tidegate_worker::Topic::parse("news")?;
            let published = context.block_on(context.publish(&topic, &json!({ "n": 1 })))?;
            Ok(json!(published.changed))
        };
        context.spawn_blocking(work).await
    };
    let trial = tidegate_worker::try_out(handler, ()).await.expect("a trial");
    assert_eq!(result(&trial.record), json!(true));
}

#[tokio::test]
async fn what_an_attempt_keeps_is_there_for_the_next() {
    let handler = async |_: Value, context: Context<Any>| {
        let kept: Option<u32> = context.restored()?;
        context.checkpoint(&(kept.unwrap_or_default() + 1)).await?;
        match context.attempt() {
            3 => Ok(json!(kept)),
            _ => Err(JobFailure::new("not yet")),
        }
    };
    let trial = Trial::of(handler).attempts(3).run(()).await.expect("a trial");
    assert_eq!(result(&trial.record), json!(2));
    let trial = Trial::of(handler)
        .attempts(2)
        .checkpoint(&40)
        .run(())
        .await
        .expect("a trial");
    assert_eq!(result(&trial.record), json!(41));
    // What was kept is no number.
    let trial = Trial::of(handler)
        .checkpoint("text")
        .run(())
        .await
        .expect("a trial");
    assert_eq!((trial.record.state, trial.record.attempt), (JobState::Failed, 2));
}

#[tokio::test]
async fn a_checkpoint_that_is_too_large_is_refused() {
    let handler = async |_: Value, context: Context<Any>| {
        context.checkpoint("kept").await?;
        let large = context.checkpoint(&"x".repeat(70_000)).await;
        Ok::<_, JobFailure>(json!(
            large.is_err_and(|error| error.to_string().contains("70002 bytes"))
        ))
    };
    let trial = tidegate_worker::try_out(handler, ()).await.expect("a trial");
    assert_eq!(result(&trial.record), json!(true));
}
