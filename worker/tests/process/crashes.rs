//! Workers that are stopped or killed in the middle of a job.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_shared::job::{JobId, JobState};
use tidegate_shared::testing::RedisServer;
use tidegate_worker::{Context, Job, JobFailure, Worker};

use crate::program::Program;
use crate::support::{Running, log, metric, result, submit, terminals};
use crate::{LEASE, open, until};

/// A directory whose backup takes minutes, until it is told to be small.
struct World {
    root: TempDir,
    large: File,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("world")).expect("created");
        fs::write(root.path().join("world/small"), "s").expect("written");
        let large = File::create(root.path().join("world/large")).expect("created");
        large.set_len(8 << 30).expect("long");
        Self { root, large }
    }

    async fn begin(&self, server: &RedisServer) -> JobId {
        let data = json!({ "source": "world", "destination": "out.tar.gz" });
        let id = submit(&open(server).await, "default", "backup", data).await;
        until(server, &id, |record| {
            record.percent.is_some_and(|percent| percent.get() > 0.0)
        })
        .await;
        assert!(self.drafts() == 1, "a draft is there");
        id
    }

    fn shrink(&self) {
        self.large.set_len(1_000).expect("short");
    }

    fn drafts(&self) -> usize {
        let entries = fs::read_dir(self.root.path()).expect("the root");
        let drafts = entries.filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().ends_with(".partial")
        });
        drafts.count()
    }

    fn check_archive(&self, output: &Value) {
        assert_eq!(output["files"], 2, "{output}");
        let sum = run(self.root.path(), "sha256sum", &["out.tar.gz"]);
        assert_eq!(output["sha256"].as_str(), sum.split(' ').next());
        let list = run(self.root.path(), "tar", &["tzf", "out.tar.gz"]);
        assert_eq!(list.lines().count(), 3, "{list}");
        assert_eq!(self.drafts(), 0);
    }
}

fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect(program);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_woken_after_its_lease_cannot_write_what_another_has_done() {
    let server = RedisServer::start().await.expect("a server");
    let world = World::new();
    let first = Program::start(&server.url(), world.root.path());
    let id = world.begin(&server).await;
    first.signal(Signal::STOP);
    world.shrink();
    let second = Program::start(&server.url(), world.root.path());
    let record = until(&server, &id, |record| record.state.is_terminal()).await;
    assert_eq!(record.attempt, 2);
    let before = log(&open(&server).await, &id).await;

    first.signal(Signal::CONT);
    first.counted("tidegate_leases_lost_total", 1.0);
    let lost = "tidegate_job_attempts_total{outcome=\"lost\",type=\"backup\"}";
    first.counted(lost, 1.0);
    assert_eq!(first.metric("tidegate_worker_busy"), Some(0.0));
    let after = log(&open(&server).await, &id).await;
    assert_eq!((before.len(), terminals(&after)), (after.len(), 1));
    world.check_archive(&result(&record));

    // It lives on and works.
    drop(second);
    let again = submit(
        &open(&server).await,
        "default",
        "backup",
        json!({ "source": "world" }),
    )
    .await;
    let record = until(&server, &again, |record| record.state.is_terminal()).await;
    assert_eq!(record.state, JobState::Succeeded, "{:?}", record.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_of_a_killed_worker_is_finished_by_another_which_cleans_up() {
    let server = RedisServer::start().await.expect("a server");
    let world = World::new();
    let first = Program::start(&server.url(), world.root.path());
    let id = world.begin(&server).await;
    first.signal(Signal::KILL);
    world.shrink();
    let began = std::time::Instant::now();
    let _second = Program::start(&server.url(), world.root.path());
    let record = until(&server, &id, |record| record.attempt == 2).await;
    assert!(
        began.elapsed() < LEASE + std::time::Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert!(!record.state.is_terminal() || record.state == JobState::Succeeded);
    let record = until(&server, &id, |record| record.state.is_terminal()).await;
    world.check_archive(&result(&record));
    assert_eq!(terminals(&log(&open(&server).await, &id).await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_survives_a_restart_of_redis_and_goes_on() {
    let mut server = RedisServer::start().await.expect("a server");
    let world = World::new();
    let program = Program::start(&server.url(), world.root.path());
    world.begin(&server).await;
    world.shrink();
    // Everything is forgotten: the job does not exist any more.
    server.kill();
    server.restart().await.expect("it starts");
    program.counted("tidegate_leases_lost_total", 1.0);
    let backend = open(&server).await;
    let id = submit(&backend, "default", "backup", json!({ "source": "world" })).await;
    let record = until(&server, &id, |record| record.state.is_terminal()).await;
    assert_eq!(record.state, JobState::Succeeded, "{:?}", record.error);
}

struct Block;

impl Job for Block {
    const TYPE: &'static str = "block";
    type Input = u64;
    type Progress = ();
    type Output = u64;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_block_their_threads_for_three_leases_keep_their_jobs_on_redis() {
    let server = RedisServer::start().await.expect("a server");
    let backend = open(&server).await;
    let registry = prometheus::Registry::new();
    let handler = async |input: u64, context: Context<Block>| {
        for n in 0..30 {
            context.message(format!("step {n}"));
            std::thread::sleep(LEASE / 10);
        }
        Ok::<_, JobFailure>(input)
    };
    let worker = Worker::builder(open(&server).await)
        .register(handler)
        .lease(LEASE)
        .concurrency(4);
    let worker = Running::start(worker.registry(registry.clone()).build().expect("a worker"));
    let mut ids = Vec::new();
    for n in 0..2 {
        ids.push(submit(&backend, "default", "block", json!(n)).await);
    }
    for (n, id) in ids.iter().enumerate() {
        let record = until(&server, id, |record| record.state.is_terminal()).await;
        assert_eq!((result(&record), record.attempt), (json!(n), 1));
        assert_eq!(record.message.as_deref(), Some("step 29"));
    }
    assert_eq!(metric(&registry, "tidegate_leases_lost_total"), Some(0.0));
    worker.stop().await;
}
