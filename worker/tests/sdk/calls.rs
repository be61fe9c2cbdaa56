//! Methods of a worker: their answers, their turns, what they tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::From;
use tidegate_shared::call::{Answer, CallDraft, CallError, Caller};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{MethodName, UserId};
use tidegate_worker::{BuildError, CallContext, CallFailure, ErrorCode, Topic, Worker, WorkerBuilder};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Bench, DEADLINE};

/// A worker that runs until it is dropped.
struct Running {
    shutdown: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Running {
    fn start(builder: WorkerBuilder) -> Self {
        let shutdown = CancellationToken::new();
        let worker = builder.build().expect("a worker");
        let running = worker.run(shutdown.clone());
        let task = tokio::spawn(async move { running.await.expect("it ends well") });
        Self {
            shutdown,
            task: Some(task),
        }
    }

    async fn end(mut self) {
        self.shutdown.cancel();
        if let Some(task) = self.task.take() {
            timeout(DEADLINE, task).await.expect("in time").expect("no panic");
        }
    }
}

fn draft(method: &str, data: &Value) -> CallDraft {
    CallDraft {
        timeout: DEADLINE,
        ..CallDraft::new(
            MethodName::parse(method).expect("valid"),
            RawJson::of(data).expect("JSON"),
        )
    }
}

/// Asks until a worker serves the method.
async fn call(backend: &Backend, method: &str, data: Value) -> Result<Answer, CallError> {
    let asking = async {
        loop {
            match backend.calls.call(draft(method, &data)).await {
                Err(CallError::NoWorker(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
                outcome => return outcome,
            }
        }
    };
    timeout(DEADLINE, asking).await.expect("an outcome")
}

fn failure(outcome: Result<Answer, CallError>) -> CallFailure {
    match outcome {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

async fn half(number: i64, _: CallContext) -> Result<i64, CallFailure> {
    assert_ne!(number, 13, "unlucky");
    if number % 2 == 0 {
        return Ok(number / 2);
    }
    Err(CallFailure::new(ErrorCode::Conflict, format!("{number} is odd")))
}

#[tokio::test]
async fn a_method_answers_refuses_and_survives_its_panics() {
    let bench = Bench::new();
    let worker = Running::start(Worker::builder(bench.open()).method("half", half));
    let answer = call(&bench.backend, "half", json!(42)).await.expect("answered");
    assert_eq!(answer.data.as_str(), "21");
    let refused = failure(call(&bench.backend, "half", json!(7)).await);
    assert_eq!(refused, CallFailure::new(ErrorCode::Conflict, "7 is odd"));
    let panicked = failure(call(&bench.backend, "half", json!(13)).await);
    assert_eq!(panicked.code, ErrorCode::Internal);
    let misfit = failure(call(&bench.backend, "half", json!("x")).await);
    assert_eq!(misfit.code, ErrorCode::BadRequest);
    assert!(misfit.message.contains("half"), "{}", misfit.message);
    worker.end().await;
    let gone = bench.backend.calls.call(draft("half", &json!(2))).await;
    assert!(matches!(gone, Err(CallError::NoWorker(_))), "{gone:?}");
}

#[tokio::test]
async fn a_method_knows_who_asks_and_what_it_published_is_noted() {
    async fn greet(_: Value, context: CallContext) -> Result<Value, CallFailure> {
        let topic = Topic::parse("greetings").map_err(|_| CallFailure::new(ErrorCode::Internal, "topic"))?;
        context.publish(&topic, None, &1).await?;
        context.publish(&topic, None, &2).await?;
        let user = context.user().map(ToString::to_string);
        Ok(json!({ "user": user, "cancelled": context.is_cancelled() }))
    }
    let bench = Bench::new();
    let worker = Running::start(Worker::builder(bench.open()).method("greet", greet));
    let _ = call(&bench.backend, "greet", json!(null)).await;
    let asking = CallDraft {
        caller: Caller {
            user: Some(UserId::parse("ann").expect("valid")),
            ..Caller::default()
        },
        ..draft("greet", &json!(null))
    };
    let answer = bench.backend.calls.call(asking).await.expect("answered");
    assert_eq!(answer.data.as_str(), r#"{"cancelled":false,"user":"ann"}"#);
    let topic = Topic::parse("greetings").expect("valid");
    let top = bench
        .backend
        .broker
        .read(&topic, From::Now, 0)
        .await
        .expect("read")
        .top;
    let [after] = &answer.after[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(
        (&after.topic, Some(after.offset)),
        (&topic, top.map(|top| top.offset))
    );
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_change_what_a_serial_group_keeps_one_after_the_other() {
    let bench = Bench::new();
    let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::new(AtomicUsize::new(0));
    let workers: Vec<Running> = (0..2)
        .map(|_| {
            let (at_once, most, counter) = (at_once.clone(), most.clone(), counter.clone());
            let add = move |_: Value, _: CallContext| {
                let (at_once, most, counter) = (at_once.clone(), most.clone(), counter.clone());
                async move {
                    most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let read = counter.load(Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    counter.store(read + 1, Ordering::SeqCst);
                    at_once.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, CallFailure>(())
                }
            };
            Running::start(
                Worker::builder(bench.open())
                    .method("tally.add", add)
                    .serial("tally"),
            )
        })
        .collect();
    call(&bench.backend, "tally.add", json!(null))
        .await
        .expect("answered");
    let calls = (0..50).map(|_| call(&bench.backend, "tally.add", json!(null)));
    for outcome in futures_util::future::join_all(calls).await {
        outcome.expect("answered");
    }
    assert_eq!(counter.load(Ordering::SeqCst), 51);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    for worker in workers {
        worker.end().await;
    }
}

#[tokio::test]
async fn a_call_that_runs_at_a_shutdown_is_answered() {
    let bench = Bench::new();
    let begun = Arc::new(tokio::sync::Notify::new());
    let slow = {
        let begun = begun.clone();
        move |_: Value, context: CallContext| {
            let begun = begun.clone();
            async move {
                begun.notify_one();
                context.stop().cancelled().await;
                Ok::<_, CallFailure>("done")
            }
        }
    };
    let worker = Running::start(Worker::builder(bench.open()).method("slow", slow));
    let backend = bench.open();
    let asked = tokio::spawn(async move { call(&backend, "slow", json!(null)).await });
    timeout(DEADLINE, begun.notified()).await.expect("begun");
    worker.end().await;
    let answer = timeout(DEADLINE, asked)
        .await
        .expect("in time")
        .expect("no panic");
    assert_eq!(answer.expect("answered").data.as_str(), "\"done\"");
}

#[test]
fn what_could_not_be_served_is_not_built() {
    let bench = Bench::new();
    let builder = || Worker::builder(bench.open());
    let twice = builder().method("half", half).method("half", half).build();
    assert!(matches!(twice, Err(BuildError::TwoMethods(_))));
    let named = builder().method("a b", half).build();
    assert!(matches!(named, Err(BuildError::Method(_))));
    let grouped = builder().method("half", half).serial("x").build();
    assert!(matches!(grouped, Err(BuildError::NoSuchGroup(_))));
}
