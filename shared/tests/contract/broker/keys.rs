//! Idempotency keys.

use tidegate_shared::broker::{BrokerError, From, Published};

use super::{attach, data, keyed, read, send, topic};
use crate::contract::{Ear, SMALL, World};

pub(crate) async fn a_repeated_key_publishes_nothing_and_answers_as_the_first_time<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let topic = topic("t");
    let mut ear = Ear::of(&nodes[0]);
    attach(&nodes[0], &topic).await;
    let first = send(&nodes[0], &topic, keyed("1", "k")).await;
    assert!(!first.duplicate);
    send(&nodes[0], &topic, keyed("2", "other")).await;
    for node in &nodes {
        for data in ["1", "\"something else\""] {
            let again = send(node, &topic, keyed(data, "k")).await;
            assert_eq!(
                again,
                Published {
                    position: first.position,
                    duplicate: true,
                    changed: false,
                }
            );
        }
    }
    let page = read(&nodes[1], &topic, From::Newest).await;
    assert_eq!(data(&page.publications), ["1", "2"]);
    assert_eq!(data(&ear.all_until_now(&nodes[0]).await), ["1", "2"]);
}

pub(crate) async fn a_key_belongs_to_its_topic<W: World>(world: W) {
    let node = world.node().await;
    let first = send(&node, &topic("a"), keyed("1", "k")).await;
    let other = send(&node, &topic("b"), keyed("1", "k")).await;
    assert!(!first.duplicate && !other.duplicate);
    assert_ne!(first.position, other.position);
}

pub(crate) async fn a_key_works_on_topics_without_a_log<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    for name in ["fire:t", "bare:t"] {
        let topic = topic(name);
        attach(&node, &topic).await;
        let answers = [
            send(&node, &topic, keyed("1", "k")).await,
            send(&node, &topic, keyed("2", "k")).await,
            send(&node, &topic, keyed("3", "l")).await,
        ];
        assert!(answers.iter().all(|answer| answer.position.is_none()));
        assert_eq!(
            answers.map(|answer| answer.duplicate),
            [false, true, false],
            "{name}"
        );
        assert_eq!(data(&ear.all_until_now(&node).await), ["1", "3"], "{name}");
    }
}

pub(crate) async fn a_publish_that_failed_has_not_used_its_key<W: World>(world: W) {
    let node = world.node().await;
    let topic = topic("small:t");
    let large = format!("\"{}\"", "x".repeat(SMALL));
    let refused = node.broker.publish(&topic, keyed(&large, "k")).await;
    assert!(
        matches!(refused, Err(BrokerError::TooLarge { .. })),
        "{refused:?}"
    );
    let published = send(&node, &topic, keyed("1", "k")).await;
    assert!(!published.duplicate);
    assert_eq!(published.position.map(|position| position.offset), Some(1));
}

pub(crate) async fn a_key_used_by_many_at_once_counts_once<W: World>(world: W) {
    let nodes = [world.node().await, world.node().await];
    let topic = topic("t");
    let publishers: Vec<_> = (0..16)
        .map(|number| {
            let (node, topic) = (nodes[number % 2].clone(), topic.clone());
            tokio::spawn(async move { send(&node, &topic, keyed(&number.to_string(), "k")).await })
        })
        .collect();
    let mut answers = Vec::new();
    for publisher in publishers {
        answers.push(publisher.await.expect("no panic"));
    }
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.position == answers[0].position)
    );
    assert_eq!(read(&nodes[0], &topic, From::Newest).await.publications.len(), 1);
}
