//! What programs are run, what they say, and how they end.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_shared::config::{Command, Pattern};
use tidegate_shared::job::{JobId, JobRecord, JobState, TIMED_OUT};
use tidegate_worker::{CommandHandler, LogLevel, Trial, Worker, try_out};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::support::{Bench, DEADLINE, Running, result};

fn command(name: &str, path: &str, arguments: &[&str], directory: Option<&Path>) -> Command {
    Command {
        name: name.into(),
        path: path.into(),
        arguments: arguments
            .iter()
            .map(|text| Pattern::parse(text).expect("a pattern"))
            .collect(),
        directory: directory.map(Into::into),
    }
}

/// A directory with a script in it, which `run` runs there.
fn script(text: &str) -> (TempDir, CommandHandler, Value) {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("script"), text).expect("written");
    let run = command("run", "/bin/sh", &["script"], Some(directory.path()));
    let input = json!({ "program": "run", "args": ["script"] });
    (directory, CommandHandler::new(vec![run]), input)
}

async fn ran(text: &str) -> JobRecord {
    let (_directory, handler, input) = script(text);
    try_out(handler, input).await.expect("a trial").record
}

#[tokio::test]
async fn a_program_gets_its_arguments_as_they_are_and_a_clean_environment() {
    let show = command("show", "/usr/bin/env", &[], None);
    let echo = command("echo", "/bin/echo", &[".*", ".*"], None);
    let handler = || CommandHandler::new(vec![show.clone(), echo.clone()]);
    let trial = try_out(handler(), json!({ "program": "show" }))
        .await
        .expect("a trial");
    let shown = result(&trial.record);
    let mut lines: Vec<&str> = shown["output"].as_str().expect("a text").lines().collect();
    lines.sort_unstable();
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["LANG", "PATH", "TIDEGATE_ATTEMPT", "TIDEGATE_JOB"]);
    assert_eq!(lines[3], format!("TIDEGATE_JOB={}", trial.record.id));
    let input = json!({ "program": "echo", "args": ["$(id); `id` | id", "a  b ü"] });
    let echoed = result(&try_out(handler(), input).await.expect("a trial").record);
    assert_eq!(
        echoed,
        json!({ "exit_code": 0, "output": "$(id); `id` | id a  b ü", "truncated": false })
    );
}

#[tokio::test]
async fn what_is_not_allowed_is_not_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let touch = command("touch", "/usr/bin/touch", &["[a-z]+"], Some(directory.path()));
    for (input, why) in [
        (json!({ "program": "rm", "args": ["x"] }), "none of those"),
        (
            json!({ "program": "/usr/bin/touch", "args": ["x"] }),
            "none of those",
        ),
        (json!({ "program": "touch" }), "takes 1 arguments, 0 were given"),
        (json!({ "program": "touch", "args": ["a", "b"] }), "2 were given"),
        (json!({ "program": "touch", "args": ["../a"] }), "argument 1"),
        (json!({ "program": "touch", "args": ["a\n"] }), "argument 1"),
        (json!({ "program": "touch", "args": ["-a"] }), "argument 1"),
        (
            json!({ "program": "touch", "args": ["a".repeat(5_000)] }),
            "argument 1",
        ),
        (
            json!({ "program": "touch", "args": ["a"], "shell": true }),
            "unknown field",
        ),
        (json!("touch a"), "does not fit"),
    ] {
        let handler = CommandHandler::new(vec![touch.clone()]);
        let record = try_out(handler, &input).await.expect("a trial").record;
        assert_eq!(record.state, JobState::Failed, "{input}");
        assert!(
            record.error.as_ref().is_some_and(|error| error.contains(why)),
            "{:?}",
            record.error
        );
    }
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("a directory").count(),
        0
    );
}

#[tokio::test]
async fn its_lines_are_progress_and_the_rest_is_output() {
    let text = "echo begin; echo '25 a quarter'; echo '{\"percent\":50.5,\"progress\":{\"n\":1}}'\n\
                printf '75%%\\r'; echo end; printf '{\"message\":\"last\"}'";
    let (_directory, handler, input) = script(text);
    let trial = try_out(handler, input).await.expect("a trial");
    assert_eq!(result(&trial.record)["output"], json!("begin\nend"));
    assert_eq!(trial.record.percent.map(f64::from), Some(75.0));
    assert_eq!(trial.record.message.as_deref(), Some("last"));
    assert_eq!(trial.record.progress.expect("typed").as_str(), r#"{"n":1}"#);
}

#[tokio::test]
async fn what_is_no_progress_is_in_the_jobs_log() {
    let (_directory, handler, input) = script("echo out; echo 50%; echo; echo trouble >&2");
    let trial = try_out(handler, input).await.expect("a trial");
    let mut lines: Vec<_> = trial
        .lines
        .iter()
        .map(|line| (line.level, line.message.as_str()))
        .collect();
    // The two come through different pipes.
    lines.sort();
    assert_eq!(lines, [(LogLevel::Info, "out"), (LogLevel::Warn, "trouble")]);
}

#[tokio::test]
async fn a_program_that_fails_tells_why() {
    let error = async |text: &str| {
        let record = ran(text).await;
        assert_eq!(record.state, JobState::Failed);
        record.error.expect("a message")
    };
    assert_eq!(
        error("echo no such picture >&2; exit 3").await,
        "`run` ended with exit code 3: no such picture"
    );
    assert_eq!(error("kill -9 $$").await, "`run` was ended by signal 9");
    let much = error("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1").await;
    assert!(
        much.ends_with("line 2999") && much.len() < 2_200,
        "{} bytes",
        much.len()
    );
    let missing = CommandHandler::new(vec![command("gone", "/no/such/program", &[], None)]);
    let record = try_out(missing, json!({ "program": "gone" }))
        .await
        .expect("a trial")
        .record;
    let error = record.error.expect("a message");
    assert!(error.starts_with("`gone` cannot be started: "), "{error}");
}

#[tokio::test]
async fn output_is_limited_and_always_a_text() {
    let record = ran("head -c 3000000 /dev/urandom; echo; echo the end").await;
    let output = result(&record);
    let text = output["output"].as_str().expect("a text");
    assert!(
        text.ends_with("the end") && text.len() <= 16 * 1024,
        "{} bytes",
        text.len()
    );
    assert_eq!(output["truncated"], json!(true));
    let record = ran("head -c 3000000 /dev/zero").await;
    assert_eq!(
        record.state,
        JobState::Succeeded,
        "one endless line: {:?}",
        record.error
    );
}

#[tokio::test]
async fn a_program_that_leaves_others_behind_holds_nothing_up() {
    // It would keep the output open for ever.
    let record = ran("sleep 100000 & echo started").await;
    assert_eq!(result(&record)["output"], json!("started"));
}

/// A script that, with all that it has started, keeps a pipe open; the pipe's end tells that they are gone.
async fn is_gone_when(text: &str, end: impl AsyncFnOnce(Bench, Running, JobId)) {
    let (directory, handler, input) = script(text);
    let pipe = directory.path().join("alive");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let bench = Bench::new();
    let worker = Worker::builder(bench.backend.clone())
        .register(handler)
        .drain_grace(Duration::from_millis(500))
        .build();
    let worker = Running::start(worker.expect("a worker"));
    let id = bench.submit("command", input).await;
    let gone = async {
        // Resolves when the script has opened the other end.
        let mut pipe = tokio::fs::File::open(&pipe).await.expect("a pipe");
        let mut begin = [0; 3];
        pipe.read_exact(&mut begin).await.expect("it has begun");
        assert_eq!(&begin, b"up\n");
        end(bench, worker, id).await;
        pipe.read_to_end(&mut Vec::new()).await.expect("the end");
    };
    timeout(DEADLINE, gone).await.expect("nothing is left running");
}

#[tokio::test]
async fn nothing_is_left_running_when_the_worker_ends() {
    let stop = async |_: Bench, worker: Running, _: JobId| worker.stop().await;
    let obedient = "exec 3>alive; (sleep 100000) & echo up >&3; sleep 100000";
    is_gone_when(obedient, stop).await;
    // Neither it nor its child listens to SIGTERM.
    let stubborn = "exec 3>alive; trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo up >&3; \
                    while :; do sleep 1; done";
    is_gone_when(stubborn, stop).await;
    let noisy = "exec 3>alive; echo up >&3; yes";
    is_gone_when(noisy, stop).await;
}

#[tokio::test]
async fn a_cancelled_program_is_asked_to_end_and_then_killed() {
    let cancel = async |bench: Bench, worker: Running, id: JobId| {
        bench.backend.jobs.cancel(&id).await.expect("it is cancelled");
        assert_eq!(bench.ended(&id).await.state, JobState::Cancelled);
        worker.stop().await;
    };
    // A shell looks at its traps when what it waits for has ended: `wait` ends by the signal.
    let polite = "exec 3>alive; trap 'exit 7' TERM; sleep 100000 & echo up >&3; wait";
    is_gone_when(polite, cancel).await;
    let stubborn = "exec 3>alive; trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo up >&3; \
                    while :; do sleep 1; done";
    is_gone_when(stubborn, cancel).await;
}

#[tokio::test]
async fn a_program_that_is_out_of_time_is_ended() {
    let (_directory, handler, input) = script("sleep 100000");
    let trial = Trial::of(handler)
        .timeout(Duration::from_millis(300))
        .run(input)
        .await;
    assert_eq!(trial.expect("a trial").record.error.as_deref(), Some(TIMED_OUT));
}

#[tokio::test]
async fn a_program_that_failed_is_tried_again_and_one_that_is_not_allowed_is_not() {
    let (_directory, handler, input) = script("[ $TIDEGATE_ATTEMPT = 2 ] && echo second");
    let trial = Trial::of(handler).attempts(3).run(input).await.expect("a trial");
    assert_eq!(result(&trial.record)["output"], json!("second"));
    let none = CommandHandler::new(Vec::new());
    let trial = Trial::of(none).attempts(3).run(json!({ "program": "rm" })).await;
    assert_eq!(trial.expect("a trial").record.attempt, 1);
}
