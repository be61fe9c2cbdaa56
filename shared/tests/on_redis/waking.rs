//! Workers that wait in Redis itself.

use std::time::{Duration, Instant};

use tidegate_shared::backend::Backend;
use tidegate_shared::job::JobError;
use tidegate_shared::name::QueueName;
use tidegate_shared::testing::RedisServer;
use tokio::task::JoinHandle;

use super::limits::job;
use super::{PATIENCE, node, raw, start};
use crate::contract::eventually;

/// Far less than any timeout in it.
const SOON: Duration = Duration::from_secs(1);

fn wait(node: &Backend, queue: &QueueName) -> JoinHandle<Result<(), JobError>> {
    let (jobs, queues) = (node.jobs.clone(), [queue.clone()]);
    tokio::spawn(async move { jobs.wait(&queues, PATIENCE).await })
}

async fn until_blocked(server: &RedisServer, count: usize) {
    eventually("workers wait in Redis", async || {
        let clients = raw(server, &["CLIENT", "LIST"]).await.to_string();
        (clients.matches("cmd=blpop").count() == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_for_somebody_who_left_goes_to_the_next() {
    let server = start().await;
    let (one, two) = (node(&server).await, node(&server).await);
    let queue = QueueName::parse("q").expect("valid");
    let leaving = wait(&one, &queue);
    until_blocked(&server, 1).await;
    leaving.abort();
    assert!(leaving.await.is_err(), "it left");
    let staying = wait(&two, &queue);
    until_blocked(&server, 2).await;
    let submitted = Instant::now();
    two.jobs.submit(job(&queue, None)).await.expect("submitted");
    staying.await.expect("no panic").expect("woken");
    assert!(submitted.elapsed() < SOON, "{:?}", submitted.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_fails_at_once_when_redis_dies_and_works_when_it_is_back() {
    let mut server = start().await;
    let node = node(&server).await;
    let queue = QueueName::parse("q").expect("valid");
    let waiting = wait(&node, &queue);
    until_blocked(&server, 1).await;
    server.kill();
    let killed = Instant::now();
    let ended = waiting.await.expect("no panic");
    assert!(matches!(ended, Err(JobError::Unavailable(_))), "{ended:?}");
    assert!(killed.elapsed() < SOON, "{:?}", killed.elapsed());

    server.restart().await.expect("restarted");
    super::until(&node, |link| *link == tidegate_shared::broker::Link::Up).await;
    let waiting = wait(&node, &queue);
    until_blocked(&server, 1).await;
    node.jobs.submit(job(&queue, None)).await.expect("submitted");
    let submitted = Instant::now();
    waiting.await.expect("no panic").expect("woken");
    assert!(submitted.elapsed() < SOON, "{:?}", submitted.elapsed());
}
