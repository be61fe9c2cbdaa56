//! What is heard live: everything since the attach, in order, as the log has it.

use std::collections::HashMap;

use futures_util::future::join_all;
use tidegate_shared::broker::From;
use tidegate_shared::position::Position;
use tidegate_shared::topic::Topic;

use super::{assert_contiguous, attach, data, keyed, publish, publish_numbers, read, top, topic};
use crate::contract::{Ear, World};

pub(crate) async fn what_is_published_right_after_an_attach_is_heard<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    for kind in ["", "fire:", "bare:"] {
        for round in 0..200 {
            let topic = topic(&format!("{kind}right-after-{round}"));
            attach(&listener, &topic).await;
            publish(&publisher, &topic, "1").await;
            assert_eq!(ear.next().await.topic, topic);
        }
    }
}

pub(crate) async fn what_is_heard_is_what_the_log_holds<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let topic = topic("t");
    attach(&listener, &topic).await;
    publish_numbers(&publisher, &topic, 60).await;
    let heard = ear.take(60).await;
    assert_eq!(heard, read(&publisher, &topic, From::Newest).await.publications);
}

pub(crate) async fn publications_that_do_not_wait_for_each_other_keep_their_order<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let topic = topic("t");
    attach(&listener, &topic).await;
    let start = top(&listener, &topic).await;
    let numbers: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    // Every tenth says the same as the one before, and is known by its key.
    let publishing = numbers.iter().enumerate().map(|(at, number)| {
        let key = format!("k{}", at - usize::from(at % 10 == 9));
        let draft = keyed(number, &key);
        let (node, topic) = (&publisher, &topic);
        async move { node.broker.publish(topic, draft).await.expect("published") }
    });
    let answers = join_all(publishing).await;
    let duplicates = answers.iter().filter(|one| one.duplicate).count();
    assert_eq!(duplicates, 20);
    assert_eq!(
        answers[9].position, answers[8].position,
        "the same as the first time"
    );
    let heard = ear.take(180).await;
    assert_contiguous(start, &heard);
    let expected: Vec<String> = (0..200)
        .filter(|at| at % 10 != 9)
        .map(|at| at.to_string())
        .collect();
    assert_eq!(data(&heard), expected);
}

pub(crate) async fn topics_keep_their_order_under_concurrent_publishers<W: World>(world: W) {
    let (listener, other) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let topics: Vec<Topic> = (0..5).map(|number| topic(&format!("t{number}"))).collect();
    let mut at = HashMap::new();
    for topic in &topics {
        attach(&listener, topic).await;
        at.insert(topic.clone(), top(&listener, topic).await);
    }
    let publishers: Vec<_> = (0..4)
        .map(|number| {
            let node = [&listener, &other][number % 2].clone();
            let topics = topics.clone();
            tokio::spawn(async move {
                for round in 0..50 {
                    publish(&node, &topics[(round + number) % topics.len()], "0").await;
                }
            })
        })
        .collect();
    for publication in ear.take(200).await {
        let place = publication.place.expect("a log");
        let before = at.insert(publication.topic.clone(), place.position);
        assert!(
            before.is_some_and(|before| place.follows(&before)),
            "{place:?} after {before:?}"
        );
    }
    for publisher in publishers {
        publisher.await.expect("no panic");
    }
    for topic in &topics {
        assert_eq!(at[topic].offset, 40);
        assert_eq!(at[topic], top(&other, topic).await);
    }
}

pub(crate) async fn a_thousand_attaches_at_once_are_all_heard<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let topics: Vec<Topic> = (0..1_000)
        .map(|number| topic(&format!("many:{number}")))
        .collect();
    let attaches: Vec<_> = topics
        .iter()
        .map(|topic| {
            let (node, topic) = (listener.clone(), topic.clone());
            tokio::spawn(async move { attach(&node, &topic).await })
        })
        .collect();
    for attach in attaches {
        attach.await.expect("no panic");
    }
    for topic in &topics {
        publish(&publisher, topic, "1").await;
    }
    let mut heard: Vec<Topic> = ear
        .take(1_000)
        .await
        .iter()
        .map(|one| one.topic.clone())
        .collect();
    heard.sort();
    let mut expected = topics;
    expected.sort();
    assert_eq!(heard, expected);
}

pub(crate) async fn each_node_hears_for_itself<W: World>(world: W) {
    let (one, other) = (world.node().await, world.node().await);
    let mut ears = [Ear::of(&one), Ear::of(&other)];
    let topic = topic("t");
    attach(&one, &topic).await;
    attach(&other, &topic).await;
    publish(&one, &topic, "1").await;
    let heard = [ears[0].next().await, ears[1].next().await];
    assert_eq!(heard[0], heard[1]);
    one.broker.detach(&topic).await.expect("detached");
    publish(&one, &topic, "2").await;
    assert_eq!(data(&ears[1].take(1).await), ["2"]);
    assert!(ears[0].all_until_now(&one).await.is_empty());
}

pub(crate) async fn a_node_hears_what_it_publishes<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let topic = topic("t");
    let start = top(&node, &topic).await;
    attach(&node, &topic).await;
    let positions: Vec<Position> = publish_numbers(&node, &topic, 3).await;
    let heard = ear.take(3).await;
    assert_contiguous(start, &heard);
    assert_eq!(heard[2].place.map(|place| place.position), Some(positions[2]));
}

pub(crate) async fn there_is_one_receiver_of_events<W: World>(world: W) {
    let node = world.node().await;
    assert!(node.broker.events().is_some());
    assert!(node.broker.events().is_none());
}
