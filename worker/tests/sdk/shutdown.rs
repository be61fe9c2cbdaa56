//! How a worker ends: nothing acknowledged is lost, nothing is kept.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_shared::broker::From;
use tidegate_shared::job::JobState;
use tidegate_shared::topic::Topic;
use tidegate_worker::{Context, JobFailure, Worker};
use tokio::sync::Notify;

use crate::Any;
use crate::flaky::Flaky;
use crate::support::{Bench, Running, result, terminals};

#[tokio::test]
async fn a_handler_that_ends_within_the_grace_counts() {
    let bench = Bench::new();
    let handler = async |input: Value, context: Context<Any>| {
        context.stopped().await;
        assert!(!context.is_lost());
        context.progress(100.0, "finished in the drain");
        Ok::<_, JobFailure>(input)
    };
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let id = bench.submit("any", json!(1)).await;
    bench.until(&id, |record| record.state == JobState::Running).await;
    worker.stop().await;
    let record = bench.record(&id).await;
    assert_eq!(
        (result(&record), record.message.as_deref()),
        (json!(1), Some("finished in the drain"))
    );
}

#[tokio::test]
async fn a_handler_that_stops_gives_its_job_back_for_another_worker() {
    let bench = Bench::new();
    let handler = async |_: Value, context: Context<Any>| {
        loop {
            context.check()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        #[expect(unreachable_code, reason = "tells the type")]
        Ok::<Value, JobFailure>(Value::Null)
    };
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let id = bench.submit("any", json!(1)).await;
    bench.until(&id, |record| record.state == JobState::Running).await;
    let waiting = bench.submit("any", json!(2)).await;
    bench
        .until(&waiting, |record| record.state == JobState::Running)
        .await;
    worker.stop().await;
    assert_eq!(bench.record(&id).await.state, JobState::Queued);

    let handler = async |input: Value, _: Context<Any>| Ok::<_, JobFailure>(input);
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let record = bench.ended(&id).await;
    assert_eq!(
        (result(&record), record.attempt),
        (json!(1), 1),
        "a released attempt does not count"
    );
    assert_eq!(result(&bench.ended(&waiting).await), json!(2));
    worker.stop().await;
}

#[tokio::test]
async fn handlers_that_never_end_are_left_and_their_jobs_given_back() {
    let bench = Bench::new();
    let blocker = Arc::new(Notify::new());
    let released = Arc::clone(&blocker);
    let handler = move |input: Value, _: Context<Any>| {
        let released = released.clone();
        async move {
            if input == json!("blocks") {
                // No await, no look at the context, for longer than the test.
                std::thread::sleep(Duration::from_secs(60));
            }
            released.notified().await;
            Ok::<_, JobFailure>(input)
        }
    };
    let grace = Duration::from_millis(300);
    let worker = Worker::builder(bench.backend.clone())
        .register(handler)
        .drain_grace(grace);
    let worker = Running::start(worker.build().expect("a worker"));
    let blocks = bench.submit("any", json!("blocks")).await;
    let waits = bench.submit("any", json!("waits")).await;
    for id in [&blocks, &waits] {
        bench.until(id, |record| record.state == JobState::Running).await;
    }
    let began = Instant::now();
    worker.stop().await;
    assert!(
        began.elapsed() >= grace && began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    for id in [&blocks, &waits] {
        assert_eq!(bench.record(id).await.state, JobState::Queued);
    }
}

#[tokio::test]
async fn a_worker_ends_in_time_although_its_backend_is_away() {
    let bench = Bench::new();
    let (flaky, backend) = Flaky::on(&bench.backend);
    let handler = async |_: Value, context: Context<Any>| {
        context.stopped().await;
        Ok::<_, JobFailure>(json!("never stored"))
    };
    let worker = Worker::builder(backend)
        .register(handler)
        .drain_grace(Duration::from_millis(200));
    let worker = Running::start(worker.build().expect("a worker"));
    let id = bench.submit("any", Value::Null).await;
    bench.until(&id, |record| record.state == JobState::Running).await;
    flaky.away.store(true, Ordering::SeqCst);
    let began = Instant::now();
    worker.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(
        bench.record(&id).await.state,
        JobState::Running,
        "its lease runs out by itself"
    );
}

#[tokio::test]
async fn a_hundred_jobs_survive_workers_that_come_and_go() {
    let bench = Bench::new();
    let mut ids = Vec::new();
    for n in 0..100 {
        ids.push(bench.submit("any", json!(n)).await);
    }
    let done = async || {
        let queue = Topic::parse("jobs:default").expect("a topic");
        let page = bench.backend.broker.read(&queue, From::Now, 0).await;
        page.expect("a page").top.map_or(0, |top| top.offset)
    };
    let mut rounds = 0;
    loop {
        let handler = async |input: Value, context: Context<Any>| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            context.check()?;
            Ok::<_, JobFailure>(input)
        };
        let worker = Worker::builder(bench.open())
            .register(handler)
            .concurrency(4)
            .build();
        let worker = Running::start(worker.expect("a worker"));
        let before = done().await;
        while done().await < before + 20 && bench.record(&ids[99]).await.state != JobState::Succeeded {
            tokio::task::yield_now().await;
        }
        worker.stop().await;
        rounds += 1;
        if bench.record(&ids[99]).await.state == JobState::Succeeded {
            break;
        }
    }
    assert!(rounds > 1, "one worker did it all");
    for (n, id) in ids.iter().enumerate() {
        let record = bench.record(id).await;
        assert_eq!((result(&record), record.attempt), (json!(n), 1));
        assert_eq!(terminals(&bench.log(id).await), 1);
    }
}
