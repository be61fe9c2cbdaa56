//! What jobs and calls cost Redis, how long a call takes and how soon a job starts. Not part of the suite: figures differ from machine to machine.
//!
//! ```text
//! cargo test -p tidegate-shared --test redis -- --ignored --nocapture figures
//! ```

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidegate_shared::backend::Backend;
use tidegate_shared::call::{Answer, CallDraft, Service};
use tidegate_shared::job::{JobDraft, Lease, Percent, Progress};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{JobType, MethodName, QueueName, WorkerId};
use tidegate_shared::testing::{RedisServer, Reply};

use super::{node, raw, start};

const LEASE: Duration = Duration::from_secs(600);
/// Calls, one after the other.
const CALLS: usize = 3_000;
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

/// Microseconds in scripts since the last reset.
async fn in_scripts(server: &RedisServer) -> f64 {
    let Reply::Text(text) = raw(server, &["INFO", "commandstats"]).await else {
        panic!("INFO is a text");
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let all = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("cmdstat_evalsha:")?;
        let micros = rest.split("usec=").nth(1)?.split(',').next()?;
        micros.parse::<f64>().ok()
    });
    all.sum()
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
    let scripts = in_scripts(server).await;
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let number = NUMBER as f64;
    let (rate, micros, in_scripts) = (number / seconds, seconds / number * 1e6, scripts / number);
    writeln!(
        std::io::stdout(),
        "{what}: {rate:.0} per second of Redis CPU, {micros:.1} µs each, {in_scripts:.1} µs of it in scripts"
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

async fn report(node: &Backend, lease: &Lease, number: usize) {
    let progress = Progress {
        percent: Some(Percent::of(u64::try_from(number % 1_000).expect("small"), 1_000)),
        message: Some("converting pictures".to_owned()),
        detail: None,
    };
    node.jobs.progress(lease, progress).await.expect("held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_jobs_cost_redis() {
    let server = start().await;
    let node = node(&server).await;
    let (queue, name) = worker();

    for (what, reports) in [
        ("lifecycles (submit, claim, succeed)", 0),
        ("lifecycles with 4 reports each", 4),
    ] {
        let (backend, queue, name) = (node.clone(), queue.clone(), name.clone());
        measure(&server, what, move |_| {
            let (backend, queue, name) = (backend.clone(), queue.clone(), name.clone());
            async move {
                submit(&backend).await;
                let claims = backend
                    .jobs
                    .claim(&queue, &name, 1, LEASE)
                    .await
                    .expect("claimed");
                for claim in claims {
                    for number in 0..reports {
                        report(&backend, &claim.lease, number).await;
                    }
                    let ended = backend.jobs.succeed(&claim.lease, RawJson::null()).await;
                    ended.expect("held");
                }
            }
        })
        .await;
    }

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
            report(&backend, &lease, number).await;
        }
    })
    .await;
}

/// Serves as a worker does: takes until there is less than it has room for, then waits.
async fn serve(node: Backend, service: Service) {
    const ROOM: usize = 16;
    let (_, name) = worker();
    node.calls
        .serve(&name, &service, Duration::from_secs(60))
        .await
        .expect("served");
    loop {
        let taken = node
            .calls
            .take(&name, &service, ROOM, LEASE)
            .await
            .expect("taken");
        let full = taken.len() == ROOM;
        for one in taken {
            let node = node.clone();
            tokio::spawn(async move {
                let answer = Answer::new(one.data.clone());
                node.calls.finish(&one.ticket, Ok(answer)).await.expect("told");
            });
        }
        if !full {
            let waited = node.calls.wait(&service, Duration::from_secs(5)).await;
            waited.expect("waited");
        }
    }
}

/// The middle one, and the one that 99 of 100 are below.
fn told(mut took: Vec<Duration>) -> String {
    took.sort();
    format!(
        "p50 {:?}, p99 {:?}",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    )
}

/// Claims as a worker does that is idle, and says when it had each job.
async fn work(node: Backend, started: tokio::sync::mpsc::UnboundedSender<Instant>) {
    let (queue, name) = worker();
    loop {
        let claims = node.jobs.claim(&queue, &name, 16, LEASE).await.expect("claimed");
        for claim in &claims {
            started.send(Instant::now()).expect("heard");
            let ended = node.jobs.succeed(&claim.lease, RawJson::null()).await;
            ended.expect("held");
        }
        if claims.is_empty() {
            let queues = std::slice::from_ref(&queue);
            let waited = node.jobs.wait(queues, Duration::from_secs(5)).await;
            waited.expect("waited");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn how_soon_a_job_starts() {
    let server = start().await;
    let (near, far) = (node(&server).await, node(&server).await);
    let (sender, mut started) = tokio::sync::mpsc::unbounded_channel();
    let working = tokio::spawn(work(far, sender));
    submit(&near).await;
    started.recv().await.expect("started");
    let mut took = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        submit(&near).await;
        took.push(started.recv().await.expect("started") - began);
        // It is over, and the worker waits, before the next one comes.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    working.abort();
    writeln!(std::io::stdout(), "submit to start: {}", told(took)).expect("written");
}

/// How often Redis was asked for something since the last reset, by command.
async fn asked(server: &RedisServer) -> String {
    let Reply::Text(text) = raw(server, &["INFO", "commandstats"]).await else {
        panic!("INFO is a text");
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let each = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls: u32 = rest.split(',').next()?.parse().ok()?;
        let of = ["evalsha", "spublish", "blpop", "del"].contains(&name);
        #[expect(clippy::cast_precision_loss, reason = "small")]
        of.then(|| format!("{name} {:.2}", f64::from(calls) / CALLS as f64))
    });
    each.collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn how_long_a_call_takes() {
    let server = start().await;
    let (near, far) = (node(&server).await, node(&server).await);
    let method = MethodName::parse("g.echo").expect("valid");
    let service = Service {
        group: method.group(),
        methods: vec![method.clone()],
        serial: false,
    };
    let serving = tokio::spawn(serve(far, service));
    let draft = || CallDraft::new(method.clone(), RawJson::null());
    while near.calls.call(draft()).await.is_err() {}
    raw(&server, &["CONFIG", "RESETSTAT"]).await;
    let mut took = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        near.calls.call(draft()).await.expect("answered");
        took.push(began.elapsed());
    }
    let counts = asked(&server).await;
    serving.abort();
    writeln!(std::io::stdout(), "a call: {}; for each: {counts}", told(took)).expect("written");
}
