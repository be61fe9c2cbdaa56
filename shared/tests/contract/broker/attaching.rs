//! What a node has attached, and what it has not.

use tidegate_shared::broker::From;

use super::{attach, data, publish, publish_numbers, read, topic};
use crate::contract::{Ear, World};

pub(crate) async fn attaching_twice_is_hearing_once<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let topic = topic("t");
    attach(&node, &topic).await;
    attach(&node, &topic).await;
    publish(&node, &topic, "1").await;
    assert_eq!(data(&ear.all_until_now(&node).await), ["1"]);
    node.broker.detach(&topic).await.expect("detached");
    publish(&node, &topic, "2").await;
    assert!(
        ear.all_until_now(&node).await.is_empty(),
        "one detach undoes two attaches"
    );
}

pub(crate) async fn a_detached_topic_is_not_heard<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    for name in ["t", "fire:t", "bare:t"] {
        let topic = topic(name);
        attach(&listener, &topic).await;
        publish(&publisher, &topic, "1").await;
        assert_eq!(data(&ear.take(1).await), ["1"]);
        listener.broker.detach(&topic).await.expect("detached");
        publish(&publisher, &topic, "2").await;
        assert!(ear.all_until_now(&listener).await.is_empty(), "{name}");
    }
}

pub(crate) async fn a_topic_attached_again_is_heard_again<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let topic = topic("t");
    for round in 0..20 {
        attach(&listener, &topic).await;
        let data_of_round = round.to_string();
        publish(&publisher, &topic, &data_of_round).await;
        assert_eq!(data(&ear.take(1).await), [data_of_round]);
        listener.broker.detach(&topic).await.expect("detached");
        publish(&publisher, &topic, "\"missed\"").await;
    }
    assert!(ear.all_until_now(&listener).await.is_empty());
}

pub(crate) async fn detaching_what_is_not_attached_does_nothing<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let (attached, unknown) = (topic("t"), topic("never-attached"));
    attach(&node, &attached).await;
    node.broker.detach(&unknown).await.expect("nothing to do");
    node.broker.detach(&unknown).await.expect("nothing to do");
    publish(&node, &attached, "1").await;
    publish(&node, &unknown, "2").await;
    assert_eq!(data(&ear.all_until_now(&node).await), ["1"]);
}

pub(crate) async fn what_is_not_attached_is_not_heard<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    attach(&listener, &topic("a")).await;
    // The other's attaches are its own, and names that only look alike are others.
    attach(&publisher, &topic("b")).await;
    for name in ["b", "A", "a:", "a:a", "aa", "fire:a", "bare:a", "user:a"] {
        publish(&publisher, &topic(name), "0").await;
    }
    publish(&publisher, &topic("a"), "1").await;
    assert_eq!(data(&ear.all_until_now(&listener).await), ["1"]);
}

pub(crate) async fn the_characters_of_a_pattern_are_just_a_name<W: World>(world: W) {
    let node = world.node().await;
    let mut ear = Ear::of(&node);
    let long = format!("ü{}", "ö".repeat(126));
    let names = [
        "*",
        "?",
        "a*",
        "[ab]",
        "\\*",
        "\"quoted\"",
        "'",
        "%s",
        "häuser/🏠",
        ":",
        "x:y:z",
        &long,
    ];
    for (number, name) in names.iter().enumerate() {
        for prefix in ["", "fire:", "bare:"] {
            let Ok(topic) = tidegate_shared::topic::Topic::parse(&format!("{prefix}{name}")) else {
                continue;
            };
            attach(&node, &topic).await;
            publish(&node, &topic, &number.to_string()).await;
            let heard = ear.next().await;
            assert_eq!(heard.topic, topic);
        }
    }
    for name in ["x", "ab", "a", "b", "bare:x", "fire:ab"] {
        publish(&node, &topic(name), "0").await;
    }
    assert!(ear.all_until_now(&node).await.is_empty());
}

pub(crate) async fn attaching_writes_nothing<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let topic = topic("t");
    let positions = publish_numbers(&publisher, &topic, 2).await;
    attach(&listener, &topic).await;
    listener.broker.detach(&topic).await.expect("detached");
    let page = read(&publisher, &topic, From::Newest).await;
    assert_eq!((page.top, page.publications.len()), (Some(positions[1]), 2));
}

pub(crate) async fn attaches_and_detaches_take_effect_in_order<W: World>(world: W) {
    let (listener, publisher) = (world.node().await, world.node().await);
    let mut ear = Ear::of(&listener);
    let (ends_attached, ends_detached) = (topic("in"), topic("out"));
    for _ in 0..30 {
        attach(&listener, &ends_attached).await;
        listener.broker.detach(&ends_attached).await.expect("detached");
        attach(&listener, &ends_detached).await;
        listener.broker.detach(&ends_detached).await.expect("detached");
    }
    attach(&listener, &ends_attached).await;
    publish(&publisher, &ends_attached, "1").await;
    publish(&publisher, &ends_detached, "2").await;
    assert_eq!(data(&ear.all_until_now(&listener).await), ["1"]);
}
