//! What is refused, and what passes untouched.

use tidegate_shared::broker::{BrokerError, Draft, From};
use tidegate_shared::job::JobId;
use tidegate_shared::name::{QueueName, StateKey};
use tidegate_shared::position::Position;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;

use super::{attach, data, draft, json, publish, read, top, topic};
use crate::contract::{Ear, SMALL, World};

pub(crate) async fn data_at_the_limit_is_accepted_and_one_byte_more_is_not<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    // A string of exactly that many bytes, quotes included; `ü` has two.
    let text = |size: usize| format!("\"{}{}\"", "ü", "x".repeat(size - 4));
    for (name, limit) in [
        ("small:t", SMALL),
        ("t", 64 * 1024),
        ("fire:t", 64 * 1024),
        ("bare:t", 64 * 1024),
    ] {
        let topic = topic(name);
        attach(&node, &topic).await;
        publish(&node, &topic, &text(limit)).await;
        let refused = node.broker.publish(&topic, draft(&text(limit + 1))).await;
        let size = limit + 1;
        assert_eq!(refused, Err(BrokerError::TooLarge { size, limit }), "{name}");
        assert_eq!(data(&ear.all_until_now(&node).await), [text(limit)], "{name}");
    }
    assert_eq!(
        top(&node, &topic("t")).await.offset,
        1,
        "what was refused left no trace"
    );
}

pub(crate) async fn data_is_passed_on_byte_for_byte<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let full = format!("\"{}\"", "z".repeat(64 * 1024 - 2));
    let cases = [
        "null",
        "\"\"",
        "{}",
        "[]",
        "-0.0",
        "1.50",
        "1E400",
        "123456789012345678901234567890",
        "9007199254740993",
        "{ \"a\" :\t[ 1 ,\r\n 2 ] }",
        "{\"b\":1,\"a\":2,\"b\":3}",
        "\"\\u00fc\\ud83c\\udfe0\\/\\\\ \\\"\"",
        "\"ü🏠\u{2028}\u{7f}\"",
        "\"\\u0000\"",
        "\"$1 %s {0} \\r\\n\"",
        &deep,
        &full,
    ];
    for name in ["t", "fire:t", "bare:t"] {
        let topic = topic(name);
        attach(&listener, &topic).await;
        for case in cases {
            publish(&publisher, &topic, case).await;
        }
        assert_eq!(data(&ear.take(cases.len()).await), cases, "{name}");
    }
    let page = read(&listener, &topic("t"), From::Newest).await;
    assert_eq!(data(&page.publications), cases);
}

pub(crate) async fn only_the_job_queue_writes_to_its_topics<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let queue = QueueName::parse("default").expect("valid");
    let job = Topic::of_job(&JobId::new(&queue));
    for name in [
        job.as_str(),
        "job:rubbish",
        "job:",
        "jobs:default",
        "jobs:a:b",
        "jobs:",
    ] {
        let topic = topic(name);
        attach(&node, &topic).await;
        let refused = node.broker.publish(&topic, draft("1")).await;
        assert!(
            matches!(refused, Err(BrokerError::Forbidden(_))),
            "{name}: {refused:?}"
        );
    }
    // What only looks like them is an application's.
    for name in ["job", "jobs", "jobber:x", "Job:x"] {
        publish(&node, &topic(name), "1").await;
    }
    assert!(ear.all_until_now(&node).await.is_empty());
    let at = top(&node, &topic("jobs:default")).await;
    assert_eq!(at, Position::start(at.epoch));
}

pub(crate) async fn only_messages_can_be_published<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let topic = topic("t");
    attach(&node, &topic).await;
    let key = StateKey::parse("k").expect("valid");
    for body in [
        Body::Set {
            key: key.clone(),
            value: json("1"),
        },
        Body::Remove { key, expired: false },
        Body::Job { record: json("{}") },
    ] {
        let refused = node.broker.publish(&topic, Draft::new(body)).await;
        assert!(matches!(refused, Err(BrokerError::Forbidden(_))), "{refused:?}");
    }
    assert!(ear.all_until_now(&node).await.is_empty());
    assert_eq!(top(&node, &topic).await.offset, 0);
}

pub(crate) async fn names_that_mean_nothing_are_unknown<W: World>(world: W) {
    let node = world.node().await;
    let queue = QueueName::parse("q").expect("valid");
    let absent = Topic::of_job(&JobId::new(&queue));
    let long_user = format!("user:{}", "u".repeat(129));
    for name in [
        absent.as_str(),
        "job:",
        "job:rubbish",
        "jobs:",
        "jobs:a:b",
        "user:",
        &long_user,
    ] {
        let topic = topic(name);
        let after = Position::start(tidegate_shared::position::Epoch::random());
        for from in [From::Now, From::Newest, From::After(after.into())] {
            let refused = node.broker.read(&topic, from, 10).await.map(|page| page.top);
            assert_eq!(refused, Err(BrokerError::UnknownTopic(topic.clone())));
        }
    }
    for name in ["user:", &long_user] {
        let topic = topic(name);
        let refused = node.broker.publish(&topic, draft("1")).await;
        assert_eq!(refused, Err(BrokerError::UnknownTopic(topic)));
    }
}

pub(crate) async fn the_topic_of_a_queue_is_there_before_its_first_job<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("jobs:never-used");
    let page = read(&node, &topic, From::Now).await;
    let at = page.top.expect("a log");
    assert_eq!(at, Position::start(at.epoch));
    assert!(page.snapshot.is_none());
    assert_eq!(top(&node, &topic).await, at);
}
