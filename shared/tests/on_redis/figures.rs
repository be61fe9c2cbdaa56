//! What jobs cost Redis. Not part of the suite: figures differ from machine to machine.
//!
//! ```text
//! cargo test -p tidegate-shared --test redis -- --ignored --nocapture figures
//! ```

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidegate_shared::backend::Backend;
use tidegate_shared::job::{JobDraft, Percent, Progress};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{JobType, QueueName, WorkerId};
use tidegate_shared::testing::{RedisServer, Reply};

use super::{node, raw, start};

const LEASE: Duration = Duration::from_secs(600);
/// Under way at once.
const TASKS: usize = 64;
/// Of jobs, and of reports.
const NUMBER: usize = 20_000;

/// What Redis's main thread has computed so far, in seconds.
async fn cpu(server: &RedisServer) -> f64 {
    let Reply::Text(text) = raw(server, &["INFO", "cpu"]).await else {
        panic!("INFO is a text");
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let of = |name: &str| -> f64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.expect("told").trim().parse().expect("a number")
    };
    of("used_cpu_user_main_thread") + of("used_cpu_sys_main_thread")
}

/// Does something [`NUMBER`] times, and says how often a second of Redis's CPU is enough for.
async fn measure<F: Future<Output = ()> + Send>(
    server: &RedisServer,
    what: &str,
    once: impl Fn(usize) -> F + Send + Sync + 'static,
) {
    let (once, next) = (Arc::new(once), Arc::new(AtomicUsize::new(0)));
    raw(server, &["CONFIG", "RESETSTAT"]).await;
    let before = cpu(server).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (once, next) = (once.clone(), next.clone());
            async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= NUMBER {
                        return;
                    }
                    once(number).await;
                }
            }
        })
        .collect();
    futures_util::future::join_all(tasks).await;
    let seconds = cpu(server).await - before;
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let number = NUMBER as f64;
    let (rate, micros) = (number / seconds, seconds / number * 1e6);
    writeln!(
        std::io::stdout(),
        "{what}: {rate:.0} per second of Redis CPU, {micros:.1} µs each"
    )
    .expect("written");
}

fn worker() -> (QueueName, WorkerId) {
    let queue = QueueName::parse("q").expect("valid");
    (queue, WorkerId::parse("w").expect("valid"))
}

fn draft() -> JobDraft {
    let kind = JobType::parse("test").expect("valid");
    let data = RawJson::parse(&bytes_of("{\"seconds\":1.5}")).expect("JSON");
    JobDraft::new(&worker().0, kind, data)
}

fn bytes_of(text: &'static str) -> bytes::Bytes {
    bytes::Bytes::from_static(text.as_bytes())
}

async fn submit(node: &Backend) {
    node.jobs.submit(draft()).await.expect("submitted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_jobs_cost_redis() {
    let server = start().await;
    let node = node(&server).await;
    let (queue, name) = worker();

    let backend = node.clone();
    measure(&server, "lifecycles (submit, claim, succeed)", move |_| {
        let (backend, queue, name) = (backend.clone(), queue.clone(), name.clone());
        async move {
            submit(&backend).await;
            let claims = backend
                .jobs
                .claim(&queue, &name, 1, LEASE)
                .await
                .expect("claimed");
            for claim in claims {
                backend
                    .jobs
                    .succeed(&claim.lease, RawJson::null())
                    .await
                    .expect("held");
            }
        }
    })
    .await;

    let (queue, name) = worker();
    for _ in 0..TASKS {
        submit(&node).await;
    }
    let claims = node
        .jobs
        .claim(&queue, &name, TASKS, LEASE)
        .await
        .expect("claimed");
    let backend = node.clone();
    measure(&server, "progress reports", move |number| {
        let (backend, lease) = (backend.clone(), claims[number % claims.len()].lease.clone());
        async move {
            let progress = Progress {
                percent: Some(Percent::of(u64::try_from(number % 1_000).expect("small"), 1_000)),
                message: Some("converting pictures".to_owned()),
                detail: None,
            };
            backend.jobs.progress(&lease, progress).await.expect("held");
        }
    })
    .await;
}
