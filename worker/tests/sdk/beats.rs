//! Duties: what is done again and again, by one worker of many.

use std::sync::Arc;
use std::time::Duration;

use tidegate_worker::{Beat, BuildError, Topic, Worker};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::{Bench, DEADLINE, Running};

const PERIOD: Duration = Duration::from_millis(50);

#[tokio::test]
async fn each_beat_is_one_workers_and_the_others_go_on_when_it_ends() {
    let bench = Bench::new();
    let (told, mut beats) = mpsc::unbounded_channel();
    let start = |name: &'static str| {
        let told = told.clone();
        let count = move |beat: Beat| {
            let told = told.clone();
            async move {
                // Nobody listens any more when the test has ended.
                let _ = told.send((name, beat.number()));
            }
        };
        let worker = Worker::builder(bench.open()).every("count", PERIOD, count);
        Running::start(worker.build().expect("a worker"))
    };
    let (one, other) = (start("one"), start("other"));
    let mut numbers = Vec::new();
    let mut next = async || {
        timeout(DEADLINE, beats.recv())
            .await
            .expect("in time")
            .expect("a beat")
    };
    for _ in 0..20 {
        numbers.push(next().await.1);
    }
    one.stop().await;
    // What `one` had said before its end may still be under way.
    loop {
        let (name, number) = next().await;
        numbers.push(number);
        if name == "other" && numbers.len() > 30 {
            break;
        }
    }
    other.stop().await;
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), numbers.len(), "{numbers:?}");
}

#[tokio::test]
async fn a_beat_publishes() {
    let bench = Bench::new();
    let topic = Arc::new(Topic::parse("news").expect("a topic"));
    let duty = {
        let topic = Arc::clone(&topic);
        move |beat: Beat| {
            let topic = Arc::clone(&topic);
            async move {
                beat.publish(&topic, None, &beat.number())
                    .await
                    .expect("published");
            }
        }
    };
    let backend = bench.open();
    let mut events = backend.broker.events().expect("events");
    backend.broker.attach(&topic).await.expect("attached");
    let worker = Worker::builder(bench.open()).every("news", PERIOD, duty);
    let worker = Running::start(worker.build().expect("a worker"));
    let heard = async {
        loop {
            let mut batch = Vec::new();
            events.next_batch(&mut batch, 16).await;
            if format!("{batch:?}").contains("news") {
                return;
            }
        }
    };
    timeout(DEADLINE, heard).await.expect("in time");
    worker.stop().await;
}

#[test]
fn a_duty_has_a_name_of_its_own_and_a_period_between_bounds() {
    let bench = Bench::new();
    let build = |duties: &[(&str, u64)]| {
        let builder = duties
            .iter()
            .fold(Worker::builder(bench.open()), |builder, (name, millis)| {
                builder.every(*name, Duration::from_millis(*millis), async |_: Beat| {})
            });
        builder.build().err().map(|error| error.to_string())
    };
    assert!(matches!(
        Worker::builder(bench.open()).build(),
        Err(BuildError::NoHandler)
    ));
    assert_eq!(build(&[("a", 50), ("b", 60_000)]), None);
    assert_eq!(
        build(&[("a", 50), ("a", 60)]).as_deref(),
        Some("there are two duties a: register one")
    );
    for millis in [49, 60_001] {
        let told = build(&[("a", millis)]).expect("refused");
        assert!(told.ends_with("from 50ms to 60s is possible"), "{told}");
    }
    assert!(build(&[("a b", 50)]).expect("refused").contains("name of a duty"));
}
