//! How the program starts, what it says, and how it ends.

use std::fs;

use rustix::process::Signal;
use serde_json::json;
use tidegate_shared::job::JobState;
use tidegate_shared::testing::RedisServer;

use crate::program::{Program, output};
use crate::support::{result, submit};
use crate::{open, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_redis_serves_by_itself_and_ends_on_a_signal() {
    let mut server = RedisServer::absent(&[]).expect("a port");
    let root = tempfile::tempdir().expect("a directory");
    fs::create_dir(root.path().join("world")).expect("created");
    let mut program = Program::start(&server.url(), root.path());
    program.says("no connection to Redis");
    assert_eq!(program.get("/livez").0, 200);
    for path in ["/readyz", "/startupz"] {
        let (status, why) = program.get(path);
        assert!(
            status == 503 && why.contains("not been reached"),
            "{path}: {status} {why}"
        );
    }
    assert_eq!(program.get("/").0, 404);
    assert_eq!(program.metric("tidegate_redis_up"), Some(0.0));

    server.restart().await.expect("it starts");
    program.until("/readyz", 200);
    assert_eq!(program.get("/startupz").0, 200);
    let backend = open(&server).await;
    let id = submit(&backend, "default", "backup", json!({ "source": "world" })).await;
    let record = until(&server, &id, |record| record.state.is_terminal()).await;
    assert_eq!(result(&record)["files"], 0);
    let succeeded = "tidegate_jobs_finished_total{outcome=\"succeeded\",type=\"backup\"}";
    assert_eq!(program.metric(succeeded), Some(1.0));
    assert!(program.get("/metrics").1.contains("tidegate_build_info{"));
    program.signal(Signal::TERM);
    assert_eq!(program.ended().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_ready_while_it_drains_and_gives_back_what_runs() {
    let server = RedisServer::start().await.expect("a server");
    let root = tempfile::tempdir().expect("a directory");
    fs::create_dir(root.path().join("world")).expect("created");
    let large = fs::File::create(root.path().join("world/large")).expect("created");
    large.set_len(8 << 30).expect("long");
    let mut program = Program::start(&server.url(), root.path());
    let backend = open(&server).await;
    let id = submit(
        &backend,
        "default",
        "backup",
        json!({ "source": "world", "destination": "." }),
    )
    .await;
    until(&server, &id, |record| {
        record.percent.is_some_and(|percent| percent.get() > 0.0)
    })
    .await;
    assert_eq!(program.metric("tidegate_worker_busy"), Some(1.0));
    program.signal(Signal::INT);
    assert_eq!(program.ended().code(), Some(0));
    assert_eq!(
        backend.jobs.get(&id).await.expect("a job").state,
        JobState::Queued
    );
    let mut left: Vec<_> = fs::read_dir(root.path())
        .expect("the root")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, [".worker.toml", "world"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let server = RedisServer::start().await.expect("a server");
    let root = tempfile::tempdir().expect("a directory");
    fs::create_dir(root.path().join("world")).expect("created");
    let mut program = Program::start(&server.url(), root.path());
    program.until("/readyz", 200);
    let backend = open(&server).await;
    fs::File::create(root.path().join("world/large"))
        .and_then(|file| file.set_len(8 << 30))
        .expect("long");
    let id = submit(&backend, "default", "backup", json!({ "source": "world" })).await;
    until(&server, &id, |record| {
        record.percent.is_some_and(|percent| percent.get() > 0.0)
    })
    .await;
    // The job can't be given back, so there is something to wait for.
    server.pause().expect("it can be stopped");
    program.signal(Signal::TERM);
    program.until("/readyz", 503);
    program.says("taking no more jobs");
    program.signal(Signal::TERM);
    let began = std::time::Instant::now();
    assert_eq!(program.ended().code(), Some(1));
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
}

#[test]
fn wrong_usage_is_exit_2_and_says_what_was_meant() {
    let unknown = output(&["--quues", "a"]);
    assert_eq!(unknown.status.code(), Some(2));
    let message = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(message.contains("--queues"), "{message}");

    let bad = output(&["--concurrency", "many"]);
    assert_eq!(bad.status.code(), Some(2));
    let message = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(message.contains("--concurrency"), "{message}");

    let url = output(&["--redis-url", "http://127.0.0.1"]);
    assert_eq!(url.status.code(), Some(2), "{url:?}");

    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "[worker]\nconcurency = 3\n").expect("written");
    let key = output(&["--config", &file.path().to_string_lossy()]);
    assert_eq!(key.status.code(), Some(2));
    let message = String::from_utf8_lossy(&key.stderr).into_owned();
    assert!(
        message.contains("concurrency") && message.contains(":2"),
        "{message}"
    );

    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
}

#[tokio::test]
async fn a_check_says_what_it_found_and_a_redis_that_evicts_is_refused() {
    let server = RedisServer::start().await.expect("a server");
    let good = output(&["--check", "--redis-url", &server.url(), "--queues", "a,b"]);
    let text = String::from_utf8_lossy(&good.stdout).into_owned();
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(
        text.contains("queues: a, b") && text.contains("redis: it can be used"),
        "{text}"
    );
    drop(server);

    let evicting = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let server = RedisServer::start_with(&evicting).await.expect("a server");
    let url = server.url();
    for arguments in [
        ["--check", "--redis-url", &url].as_slice(),
        &["--admin-listen", "127.0.0.1:0", "--redis-url", &url],
    ] {
        let refused = output(arguments);
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{message}");
        assert!(message.contains("noeviction"), "{message}");
    }
}

#[test]
fn a_taken_port_is_told_with_the_flag_that_chooses_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let failed = output(&["--redis-url", "redis://127.0.0.1:1", "--admin-listen", &address]);
    let message = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        message.contains(&address) && message.contains("--admin-listen"),
        "{message}"
    );
}
