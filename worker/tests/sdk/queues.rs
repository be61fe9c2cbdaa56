//! What a worker takes, and how it waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::job::JobState;
use tidegate_worker::{Context, JobFailure, Worker};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::Any;
use crate::flaky::Flaky;
use crate::support::{Bench, DEADLINE, Running, result};

#[tokio::test]
async fn never_more_jobs_run_at_once_than_the_concurrency() {
    let bench = Bench::new();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, highest) = (Arc::clone(&running), Arc::clone(&most));
    let handler = move |input: Value, _: Context<Any>| {
        let now = now.clone();
        let highest = highest.clone();
        async move {
            let busy = now.fetch_add(1, Ordering::SeqCst) + 1;
            highest.fetch_max(busy, Ordering::SeqCst);
            sleep(Duration::from_millis(20)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, JobFailure>(input)
        }
    };
    let worker = Worker::builder(bench.backend.clone())
        .register(handler)
        .concurrency(3);
    let worker = worker.queue("a").queue("b").queue("a").build();
    let mut ids = Vec::new();
    for n in 0..24 {
        ids.push(bench.submit_to(["a", "b"][n % 2], "any", json!(n)).await);
    }
    let worker = Running::start(worker.expect("a worker"));
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(result(&bench.ended(id).await), json!(n));
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    worker.stop().await;
}

#[tokio::test]
async fn a_full_queue_does_not_starve_another() {
    let bench = Bench::new();
    let (done, mut order) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let entry = Arc::clone(&gate);
    let handler = move |input: Value, _: Context<Any>| {
        let entry = entry.clone();
        let done = done.clone();
        async move {
            entry.acquire().await.map_err(JobFailure::from)?.forget();
            done.send(input.clone()).map_err(JobFailure::new)?;
            Ok::<_, JobFailure>(input)
        }
    };
    for n in 0..20 {
        bench.submit_to("long", "any", json!(n)).await;
    }
    for n in 0..3 {
        bench.submit_to("short", "any", json!(100 + n)).await;
    }
    let worker = Worker::builder(bench.backend.clone())
        .register(handler)
        .concurrency(1);
    let worker = worker.queue("long").queue("short").build();
    let worker = Running::start(worker.expect("a worker"));
    gate.add_permits(6);
    let mut short = 0;
    for _ in 0..6 {
        let input = timeout(DEADLINE, order.recv())
            .await
            .expect("in time")
            .expect("a job");
        short += usize::from(input.as_u64() >= Some(100));
    }
    assert_eq!(short, 3, "every second job is of the short queue");
    gate.close();
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_with_nothing_to_do_hardly_asks() {
    let bench = Bench::new();
    let (flaky, backend) = Flaky::on(&bench.backend);
    let handler = async |input: Value, _: Context<Any>| Ok::<_, JobFailure>(input);
    let worker = Worker::builder(backend).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    sleep(Duration::from_secs(1)).await;
    let (claims, waits) = (
        flaky.claims.load(Ordering::SeqCst),
        flaky.waits.load(Ordering::SeqCst),
    );
    assert_eq!((claims, waits), (1, 1));
    let id = bench.submit("any", json!(1)).await;
    assert_eq!(result(&bench.ended(&id).await), json!(1));

    flaky.restless.store(true, Ordering::SeqCst);
    let id = bench.submit("any", json!(2)).await;
    assert_eq!(result(&bench.ended(&id).await), json!(2));
    let before = flaky.claims.load(Ordering::SeqCst);
    sleep(Duration::from_millis(500)).await;
    let claims = flaky.claims.load(Ordering::SeqCst) - before;
    assert!(
        claims <= 60,
        "{claims} claims in half a second although waiting ends at once"
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_backend_that_is_away_is_asked_seldom_and_used_as_soon_as_it_is_back() {
    let bench = Bench::new();
    let (flaky, backend) = Flaky::on(&bench.backend);
    flaky.away.store(true, Ordering::SeqCst);
    let handler = async |input: Value, _: Context<Any>| Ok::<_, JobFailure>(input);
    let worker = Worker::builder(backend).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let id = bench.submit("any", json!(1)).await;
    sleep(Duration::from_secs(1)).await;
    let claims = flaky.claims.load(Ordering::SeqCst);
    assert!((2..=7).contains(&claims), "{claims} claims in a second of outage");
    flaky.away.store(false, Ordering::SeqCst);
    assert_eq!(result(&bench.ended(&id).await), json!(1));
    worker.stop().await;
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_done_by_another() {
    let bench = Bench::new();
    let id = bench.submit("any", json!(1)).await;
    let queue = tidegate_shared::name::QueueName::parse("default").expect("a queue");
    let dead = tidegate_shared::name::WorkerId::parse("dead").expect("a worker");
    let claims = bench
        .backend
        .jobs
        .claim(&queue, &dead, 1, Duration::from_millis(300))
        .await;
    assert_eq!(claims.expect("claimed").len(), 1);
    assert_eq!(bench.record(&id).await.state, JobState::Running);
    let handler = async |input: Value, _: Context<Any>| Ok::<_, JobFailure>(input);
    let worker = Worker::builder(bench.backend.clone()).register(handler).build();
    let worker = Running::start(worker.expect("a worker"));
    let record = bench.ended(&id).await;
    assert_eq!((result(&record), record.attempt), (json!(1), 2));
    worker.stop().await;
}
