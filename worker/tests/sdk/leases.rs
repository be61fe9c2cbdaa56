//! A worker keeps its leases whatever its handlers do, and one that lost a lease changes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::job::JobState;
use tidegate_shared::topic::Topic;
use tidegate_worker::{Context, JobFailure, Worker};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::Any;
use crate::flaky::Flaky;
use crate::support::{Bench, DEADLINE, Running, metric, result, terminals};

/// Long enough that a busy machine does not make a worker lose one by itself.
const LEASE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_block_every_thread_for_three_leases_keep_their_jobs() {
    let bench = Bench::new();
    let registry = prometheus::Registry::new();
    let handler = async |input: Value, _: Context<Any>| {
        std::thread::sleep(LEASE * 3);
        Ok::<_, JobFailure>(input)
    };
    let worker = Worker::builder(bench.backend.clone())
        .register(handler)
        .lease(LEASE);
    let worker = worker.concurrency(4).registry(registry.clone()).build();
    let worker = Running::start(worker.expect("a worker"));
    let other =
        async |_: Value, _: Context<Any>| Err::<Value, _>(JobFailure::new("taken by the other worker"));
    // Its only purpose is to take back what can be taken.
    let other = Worker::builder(bench.open()).register(other).lease(LEASE).build();
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(bench.submit("any", json!(n)).await);
    }
    for id in &ids {
        bench.until(id, |record| record.state == JobState::Running).await;
    }
    let other = Running::start(other.expect("a worker"));
    // The threads of the program itself are blocked as well.
    let blocked: Vec<_> = (0..2)
        .map(|_| tokio::spawn(async { std::thread::sleep(LEASE * 2) }))
        .collect();
    for (n, id) in ids.iter().enumerate() {
        let record = bench.ended(id).await;
        assert_eq!((result(&record), record.attempt), (json!(n), 1));
    }
    for one in blocked {
        one.await.expect("ends");
    }
    assert_eq!(metric(&registry, "tidegate_leases_lost_total"), Some(0.0));
    worker.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_worker_that_cannot_renew_its_lease_stops_and_writes_nothing_more() {
    let bench = Bench::new();
    let (flaky, backend) = Flaky::on(&bench.backend);
    let (told, mut was_told) = mpsc::unbounded_channel();
    let handler = move |_: Value, context: Context<Any>| {
        let told = told.clone();
        async move {
            context.message("first");
            context.stopped().await;
            assert!(context.is_lost());
            context.progress(77.0, "too late");
            let news = Topic::parse("news")?;
            assert!(context.publish(&news, "too late").await.is_err());
            told.send(()).map_err(JobFailure::new)?;
            Ok::<_, JobFailure>(json!("too late"))
        }
    };
    let registry = prometheus::Registry::new();
    let first = Worker::builder(backend)
        .register(handler)
        .lease(LEASE)
        .registry(registry.clone());
    let first = Running::start(first.build().expect("a worker"));
    let id = bench.submit("any", Value::Null).await;
    bench.until(&id, |record| record.message.is_some()).await;
    flaky.away.store(true, Ordering::SeqCst);
    timeout(DEADLINE, was_told.recv())
        .await
        .expect("the handler is told");

    let second = async |_: Value, context: Context<Any>| Ok::<_, JobFailure>(json!(context.attempt()));
    let second = Worker::builder(bench.open())
        .register(second)
        .lease(LEASE)
        .build();
    let second = Running::start(second.expect("a worker"));
    let record = bench.ended(&id).await;
    assert_eq!(result(&record), json!(2));
    flaky.away.store(false, Ordering::SeqCst);
    first.stop().await;
    second.stop().await;
    let log = bench.log(&id).await;
    assert_eq!(terminals(&log), 1);
    assert!(
        log.iter()
            .all(|record| record.message.as_deref() != Some("too late")),
        "{log:?}"
    );
    assert_eq!(metric(&registry, "tidegate_leases_lost_total"), Some(1.0));
    let lost = "tidegate_job_attempts_total{outcome=\"lost\",type=\"any\"}";
    assert_eq!(metric(&registry, lost), Some(1.0));
}

/// As after a stop of the whole process: the worker believes in a lease that is gone.
#[tokio::test]
async fn a_worker_that_lost_its_lease_cannot_report_and_is_told_so() {
    let bench = Bench::new();
    let (flaky, backend) = Flaky::on(&bench.backend);
    flaky.heartbeats_lie.store(true, Ordering::SeqCst);
    let go = Arc::new(Notify::new());
    let may_go = Arc::clone(&go);
    let handler = move |_: Value, context: Context<Any>| {
        let may_go = may_go.clone();
        async move {
            may_go.notified().await;
            context.progress(50.0, "stale");
            context.stopped().await;
            assert!(context.is_lost());
            Err::<Value, _>(JobFailure::new("stale"))
        }
    };
    let registry = prometheus::Registry::new();
    let first = Worker::builder(backend)
        .register(handler)
        .lease(LEASE)
        .registry(registry.clone());
    let first = first.concurrency(1).build();
    let first = Running::start(first.expect("a worker"));
    let id = bench.submit("any", Value::Null).await;
    bench.until(&id, |record| record.state == JobState::Running).await;
    let second = async |_: Value, _: Context<Any>| Ok::<_, JobFailure>(json!("second"));
    let second = Worker::builder(bench.open())
        .register(second)
        .lease(LEASE)
        .build();
    let second = Running::start(second.expect("a worker"));
    let record = bench.ended(&id).await;
    assert_eq!((result(&record), record.attempt), (json!("second"), 2));
    second.stop().await;

    go.notify_one();
    // It has room for one job: when it does another one, it has let go of the first.
    flaky.heartbeats_lie.store(false, Ordering::SeqCst);
    let next = bench.submit("any", Value::Null).await;
    bench
        .until(&next, |record| record.state == JobState::Running)
        .await;
    assert_eq!(
        metric(&registry, "tidegate_stale_writes_rejected_total"),
        Some(1.0)
    );
    assert_eq!(metric(&registry, "tidegate_leases_lost_total"), Some(1.0));
    let log = bench.log(&id).await;
    assert_eq!(terminals(&log), 1);
    assert!(log.iter().all(|record| record.message.is_none()), "{log:?}");
    first.shutdown.cancel();
}

#[tokio::test]
async fn a_heartbeat_that_says_lost_stops_the_handler() {
    let bench = Bench::new();
    let (flaky, backend) = Flaky::on(&bench.backend);
    let (told, mut was_told) = mpsc::unbounded_channel();
    let handler = move |_: Value, context: Context<Any>| {
        let told = told.clone();
        async move {
            context.stopped().await;
            told.send(context.is_lost()).map_err(JobFailure::new)?;
            Ok::<_, JobFailure>(Value::Null)
        }
    };
    let first = Worker::builder(backend).register(handler).lease(LEASE).build();
    flaky.heartbeats_lie.store(true, Ordering::SeqCst);
    let first = Running::start(first.expect("a worker"));
    let id = bench.submit("any", Value::Null).await;
    bench.until(&id, |record| record.state == JobState::Running).await;
    let hold = async |_: Value, context: Context<Any>| {
        context.stopped().await;
        Ok::<_, JobFailure>(Value::Null)
    };
    let second = Worker::builder(bench.open()).register(hold).lease(LEASE).build();
    let second = Running::start(second.expect("a worker"));
    bench.until(&id, |record| record.attempt == 2).await;
    flaky.heartbeats_lie.store(false, Ordering::SeqCst);
    assert_eq!(timeout(DEADLINE, was_told.recv()).await, Ok(Some(true)));
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn short_failures_of_heartbeats_do_not_cost_the_job() {
    let bench = Bench::new();
    let (flaky, backend) = Flaky::on(&bench.backend);
    let registry = prometheus::Registry::new();
    let handler = async |input: Value, context: Context<Any>| {
        // Longer than two leases.
        let stopped = timeout(LEASE * 9 / 4, context.stopped()).await;
        assert!(stopped.is_err(), "it was told to stop");
        Ok::<_, JobFailure>(input)
    };
    let worker = Worker::builder(backend)
        .register(handler)
        .lease(LEASE)
        .registry(registry.clone());
    let worker = Running::start(worker.build().expect("a worker"));
    let id = bench.submit("any", json!(1)).await;
    bench.until(&id, |record| record.state == JobState::Running).await;
    flaky.heartbeats_away.store(true, Ordering::SeqCst);
    tokio::time::sleep(LEASE / 4).await;
    flaky.heartbeats_away.store(false, Ordering::SeqCst);
    let record = bench.ended(&id).await;
    assert_eq!((result(&record), record.attempt), (json!(1), 1));
    worker.stop().await;
}
