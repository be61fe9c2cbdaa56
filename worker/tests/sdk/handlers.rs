//! What a handler is given, and what becomes of what it gives back.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::broker::{BrokerError, From};
use tidegate_shared::embedded::Store;
use tidegate_shared::job::JobState;
use tidegate_shared::name::StateKey;
use tidegate_shared::namespace::{Namespace, Namespaces, TopicKind};
use tidegate_shared::publication::Snapshot;
use tidegate_shared::topic::Topic;
use tidegate_worker::{BuildError, Context, JobFailure, LogLevel, LogLine, Worker, try_out};

use crate::Any;
use crate::flaky::Flaky;
use crate::support::{Bench, Running, metric, result, submit, terminals, until};

#[tokio::test]
async fn a_job_is_done_and_its_result_is_in_its_record() {
    let bench = Bench::new();
    let handler = async |input: Value, context: Context<Any>| {
        assert_eq!(context.record().state, JobState::Running);
        Ok::<_, JobFailure>(json!({ "got": input, "attempt": context.attempt(), "id": context.job_id() }))
    };
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let id = bench.submit("any", json!([1, 2])).await;
    let record = bench.ended(&id).await;
    assert_eq!(result(&record), json!({ "got": [1, 2], "attempt": 1, "id": id }));
    worker.stop().await;
}

#[tokio::test]
async fn reports_are_coalesced_and_the_last_comes_before_the_end() {
    let bench = Bench::new();
    let handler = async |_: Value, context: Context<Any>| {
        context.message("begins");
        let began = std::time::Instant::now();
        let mut n: u32 = 0;
        while began.elapsed().as_millis() < 500 {
            n += 1;
            context.report(f64::from(n % 90), format!("step {n}"), &json!({ "n": n }));
            tokio::task::yield_now().await;
        }
        context.report(99.0, "last", &json!({ "n": n }));
        Ok::<_, JobFailure>(json!(n))
    };
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let id = bench.submit("any", Value::Null).await;
    let steps = result(&bench.ended(&id).await);
    let log = bench.log(&id).await;
    // Queued, running, at most six reports in half a second, the last one, succeeded.
    assert!(
        steps.as_u64() > Some(100) && log.len() <= 10,
        "{steps} steps, {} entries",
        log.len()
    );
    assert!(log.len() >= 5, "{} entries", log.len());
    let [.., last, end] = log.as_slice() else {
        panic!("{log:?}");
    };
    assert_eq!(
        (last.state, last.message.as_deref()),
        (JobState::Running, Some("last"))
    );
    assert_eq!(
        last.progress.as_ref().map(|raw| raw.as_str().to_owned()),
        Some(json!({ "n": steps }).to_string())
    );
    assert_eq!(end.state, JobState::Succeeded);
    worker.stop().await;
}

#[tokio::test]
async fn a_panic_fails_the_job_with_its_message_and_the_worker_goes_on() {
    let bench = Bench::new();
    let handler = async |input: Value, _: Context<Any>| {
        assert!(input != json!("boom"), "lost the {}", "plot");
        Ok::<_, JobFailure>(input)
    };
    let registry = prometheus::Registry::new();
    let worker = Worker::builder(bench.backend.clone())
        .register(handler)
        .registry(registry.clone());
    let worker = Running::start(worker.concurrency(1).build().expect("a worker"));
    let bad = bench.submit("any", json!("boom")).await;
    let good = bench.submit("any", json!("fine")).await;
    let record = bench.ended(&bad).await;
    assert_eq!(
        record.error.as_deref(),
        Some("the handler panicked: lost the plot")
    );
    assert_eq!(result(&bench.ended(&good).await), json!("fine"));
    worker.stop().await;
    let attempts = |outcome| {
        metric(
            &registry,
            &format!("tidegate_job_attempts_total{{outcome=\"{outcome}\",type=\"any\"}}"),
        )
    };
    assert_eq!(
        (attempts("panicked"), attempts("succeeded"), attempts("lost")),
        (Some(1.0), Some(1.0), Some(0.0))
    );
    assert_eq!(metric(&registry, "tidegate_worker_busy"), Some(0.0));
}

#[tokio::test]
async fn a_failure_tells_the_error_and_its_causes() {
    let bench = Bench::new();
    let handler = async |_: Value, _: Context<Any>| {
        let error = std::io::Error::other("disk on fire");
        Err::<Value, _>(JobFailure::from(error))
    };
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let record = bench.ended(&bench.submit("any", Value::Null).await).await;
    assert_eq!(
        (record.state, record.error.as_deref()),
        (JobState::Failed, Some("disk on fire"))
    );
    worker.stop().await;
}

#[tokio::test]
async fn what_no_handler_here_can_do_fails_with_the_types_that_can_be_done() {
    struct Number;
    impl tidegate_worker::Job for Number {
        const TYPE: &'static str = "number";
        type Input = u8;
        type Progress = ();
        type Output = u8;
    }
    let bench = Bench::new();
    let registry = prometheus::Registry::new();
    let worker = Worker::builder(bench.backend.clone())
        .register(async |n: u8, _: Context<Number>| Ok::<_, JobFailure>(n))
        .register(async |input: Value, _: Context<Any>| Ok::<_, JobFailure>(input))
        .registry(registry.clone())
        .build();
    let worker = Running::start(worker.expect("a worker"));
    let error = async |kind, data| {
        let record = bench.ended(&bench.submit(kind, data).await).await;
        assert_eq!(record.state, JobState::Failed);
        record.error.expect("a message")
    };
    let unknown = error("resize", Value::Null).await;
    assert!(
        unknown.contains("resize") && unknown.contains("any, number") && unknown.contains("default"),
        "{unknown}"
    );
    let unfit = error("number", json!(300)).await;
    assert!(
        unfit.starts_with("the data does not fit a job of type number: invalid value: integer `300`"),
        "{unfit}"
    );
    worker.stop().await;
    let finished = "tidegate_jobs_finished_total{outcome=\"failed\",type=\"unknown\"}";
    assert_eq!(
        metric(&registry, finished),
        Some(1.0),
        "unknown types share a label"
    );
}

#[tokio::test]
async fn a_result_or_progress_that_is_too_large_is_told_and_never_stops_the_worker() {
    let bench = Bench::new();
    let handler = async |input: Value, context: Context<Any>| {
        let size = usize::try_from(input.as_u64().unwrap_or_default()).unwrap_or_default();
        context.report(50.0, "half", &json!("p".repeat(size)));
        Ok::<_, JobFailure>(json!("r".repeat(size)))
    };
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let large = bench.ended(&bench.submit("any", json!(70_000)).await).await;
    assert_eq!(large.state, JobState::Failed);
    assert!(
        large
            .error
            .as_ref()
            .is_some_and(|error| error.contains("70002 bytes")),
        "{:?}",
        large.error
    );
    let medium = bench.ended(&bench.submit("any", json!(20_000)).await).await;
    assert_eq!(
        (medium.state, medium.message.as_deref()),
        (JobState::Succeeded, Some("half"))
    );
    assert!(medium.progress.is_none(), "more than 16 KiB of it is left out");
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_publishes_to_topics_but_not_to_those_of_jobs() {
    let bench = Bench::new();
    let handler = async |_: Value, context: Context<Any>| {
        context
            .publish(&Topic::parse("news")?, &json!({ "from": "a job" }))
            .await?;
        let own = context.publish(&Topic::of_job(context.job_id()), "x").await;
        assert!(matches!(own, Err(BrokerError::Forbidden(_))), "{own:?}");
        Ok::<_, JobFailure>(Value::Null)
    };
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let record = bench.ended(&bench.submit("any", Value::Null).await).await;
    assert_eq!(record.state, JobState::Succeeded, "{:?}", record.error);
    let page = bench
        .backend
        .broker
        .read(&Topic::parse("news").expect("a topic"), From::Newest, 10)
        .await;
    assert_eq!(page.expect("a page").publications.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_sets_and_removes_keys_of_state_topics() {
    let state = Namespace {
        kind: TopicKind::State,
        ..Namespace::new("state")
    };
    let store = Store::new(Namespaces::new(Namespace::new("default"), vec![state]));
    let backend = store.open();
    let handler = async |_: Value, context: Context<Any>| {
        let topic = Topic::parse("state:room")?;
        let (a, b) = (StateKey::parse("a")?, StateKey::parse("b")?);
        context.set(&topic, &a, &json!(1), None).await?;
        context
            .set(&topic, &b, &json!(2), Some(Duration::from_secs(60)))
            .await?;
        let removed = context.remove(&topic, &a).await?.changed;
        let again = context.remove(&topic, &a).await?.changed;
        let plain = context.set(&Topic::parse("news")?, &a, &json!(1), None).await;
        assert!(matches!(plain, Err(BrokerError::Forbidden(_))), "{plain:?}");
        Ok::<_, JobFailure>(json!([removed, again]))
    };
    let worker = Worker::builder(backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let id = submit(&backend, "default", "any", Value::Null).await;
    let record = until(&store.open(), &id, |record| record.state.is_terminal()).await;
    assert_eq!(result(&record), json!([true, false]));
    let topic = Topic::parse("state:room").expect("a topic");
    let page = backend.broker.read(&topic, From::Now, 0).await.expect("a page");
    let Some(Snapshot::State(map)) = page.snapshot else {
        panic!("{page:?}");
    };
    let map: Vec<_> = map
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(map, [("b", "2")]);
    worker.stop().await;
}

#[tokio::test]
async fn an_outcome_gets_through_an_outage_and_ends_the_job_once() {
    let bench = Bench::new();
    let (flaky, backend) = Flaky::on(&bench.backend);
    flaky
        .refuse_outcomes
        .store(3, std::sync::atomic::Ordering::SeqCst);
    flaky.forget_answers.store(1, std::sync::atomic::Ordering::SeqCst);
    let handler = async |input: Value, _: Context<Any>| Ok::<_, JobFailure>(input);
    let registry = prometheus::Registry::new();
    let worker = Worker::builder(backend)
        .register(handler)
        .registry(registry.clone())
        .build();
    let worker = Running::start(worker.expect("a worker"));
    let id = bench.submit("any", json!(7)).await;
    assert_eq!(result(&bench.ended(&id).await), json!(7));
    worker.stop().await;
    assert_eq!(terminals(&bench.log(&id).await), 1);
    let succeeded = "tidegate_job_attempts_total{outcome=\"succeeded\",type=\"any\"}";
    assert_eq!(metric(&registry, succeeded), Some(1.0));
    assert_eq!(
        metric(&registry, "tidegate_stale_writes_rejected_total"),
        Some(0.0)
    );
}

#[tokio::test]
async fn a_worker_that_could_not_work_is_not_built() {
    let bench = Bench::new();
    let builder = || Worker::builder(bench.backend.clone());
    let handler = async |input: Value, _: Context<Any>| Ok::<_, JobFailure>(input);
    assert!(matches!(builder().build(), Err(BuildError::NoHandler)));
    let twice = builder().register(handler).register(handler).build();
    assert!(matches!(twice, Err(BuildError::TwoHandlers("any"))));
    let idle = builder().register(handler).concurrency(0).build();
    assert!(matches!(idle, Err(BuildError::NoConcurrency)));
    let short = builder()
        .register(handler)
        .lease(std::time::Duration::from_millis(99))
        .build();
    assert!(matches!(short, Err(BuildError::ShortLease(_))));
    let queue = builder().register(handler).queue("a b").build();
    assert!(matches!(queue, Err(BuildError::Name(_))));
    let registry = prometheus::Registry::new();
    let one = builder().register(handler).registry(registry.clone()).build();
    let two = builder().register(handler).registry(registry).build();
    assert!(one.is_ok() && matches!(two, Err(BuildError::Metrics(_))));
}

#[tokio::test]
async fn every_metric_is_there_from_the_start() {
    let bench = Bench::new();
    let registry = prometheus::Registry::new();
    let handler = async |input: Value, _: Context<Any>| Ok::<_, JobFailure>(input);
    let _worker = Worker::builder(bench.backend.clone())
        .register(handler)
        .registry(registry.clone())
        .build();
    for name in [
        "tidegate_jobs_finished_total{outcome=\"succeeded\",type=\"any\"}",
        "tidegate_jobs_finished_total{outcome=\"failed\",type=\"unknown\"}",
        "tidegate_job_duration_seconds_count{type=\"any\"}",
        "tidegate_job_wait_seconds_count{queue=\"default\"}",
        "tidegate_job_attempts_total{outcome=\"released\",type=\"any\"}",
        "tidegate_stale_writes_rejected_total",
        "tidegate_leases_lost_total",
        "tidegate_worker_busy",
    ] {
        assert_eq!(metric(&registry, name), Some(0.0), "{name}");
    }
}

#[tokio::test]
async fn log_lines_are_written_in_order_before_the_end() {
    let handler = async |_: Value, context: Context<Any>| {
        for number in 0..100 {
            context.log(LogLevel::Info, number.to_string());
        }
        context.progress(50.0, "half");
        context.log(LogLevel::Error, "the last");
        Ok::<_, JobFailure>(json!(1))
    };
    let trial = try_out(handler, ()).await.expect("a trial");
    let mut expected: Vec<_> = (0..100)
        .map(|n| LogLine::new(LogLevel::Info, n.to_string()))
        .collect();
    expected.push(LogLine::new(LogLevel::Error, "the last"));
    assert_eq!(trial.lines, expected);
    assert_eq!(trial.record.message.as_deref(), Some("half"));
}
