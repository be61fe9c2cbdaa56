//! Masters that die, in a Cluster and under Sentinels.

use std::time::Duration;

use prometheus::Registry;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{BrokerError, BrokerEvent, From, Link, Lost};
use tidegate_shared::testing::{RedisCluster, RedisSentinel, slot_of};
use tidegate_shared::topic::Topic;

use super::node;
use crate::contract::broker::{attach, draft, publish, publish_numbers, read, top, topic};
use crate::on_redis::{PATIENCE, data, open, publication, skip_to, until};

/// A topic on each of the masters, in their order.
async fn topics(cluster: &RedisCluster) -> Vec<Topic> {
    let mut found = Vec::new();
    for master in 0..3 {
        for number in 0.. {
            let topic = topic(&format!("chat:{number}"));
            if cluster
                .owner(slot_of(&format!("t:{topic}")))
                .await
                .expect("an owner")
                == master
            {
                found.push(topic);
                break;
            }
        }
    }
    found
}

/// Publishes as soon as it is possible.
async fn publish_at_last(node: &Backend, topic: &Topic, text: &str) {
    let trying = async {
        while node.broker.publish(topic, draft(text)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("published");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_master_of_three_leaves_the_others_working() {
    let mut cluster = RedisCluster::start().await.expect("a Cluster");
    let registry = Registry::new();
    let node = open(cluster.url(), &registry);
    until(&node, |link| *link == Link::Up).await;
    let mut events = node.broker.events().expect("first");
    let topics = topics(&cluster).await;
    for topic in &topics {
        attach(&node, topic).await;
    }
    let up = || {
        let families = registry.gather();
        let family = families
            .iter()
            .find(|family| family.name() == "tidegate_redis_up");
        family.expect("there").get_metric()[0].get_gauge().get_value()
    };
    assert!((up() - 1.0).abs() < 1e-9);

    cluster.master_mut(1).kill();
    crate::contract::eventually("a share is up", async || (up() < 0.7).then_some(())).await;
    assert!(up() > 0.6);
    let refused = node.broker.publish(&topics[1], draft("1")).await;
    assert!(matches!(refused, Err(BrokerError::Unavailable(_))), "{refused:?}");
    let refused = node.broker.attach(&topics[1]).await;
    assert!(
        matches!(refused, Ok(()) | Err(BrokerError::Unavailable(_))),
        "{refused:?}"
    );
    for topic in [&topics[0], &topics[2]] {
        publish(&node, topic, "2").await;
        let heard = skip_to(&mut events, publication).await;
        assert_eq!((&heard.topic, data(&heard)), (topic, "2".to_owned()));
    }
    assert_eq!(*node.broker.link().borrow(), Link::Up);
    let tops = node.broker.tops(&topics).await.expect("of those that are there");
    let there: Vec<bool> = tops.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, true]);

    cluster.master_mut(1).restart().await.expect("restarted");
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Gap { .. }).then_some(())
    })
    .await;
    publish_at_last(&node, &topics[1], "3").await;
    let heard = skip_to(&mut events, publication).await;
    assert_eq!((&heard.topic, data(&heard)), (&topics[1], "3".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topics_of_a_dead_master_go_on_with_its_replica() {
    let mut cluster = RedisCluster::start_with_replicas().await.expect("a Cluster");
    let node = node(&cluster).await;
    let mut events = node.broker.events().expect("first");
    let topics = topics(&cluster).await;
    for topic in &topics {
        attach(&node, topic).await;
    }
    publish_numbers(&node, &topics[2], 3).await;
    cluster.master_mut(2).kill();
    let publishing = async {
        loop {
            publish_at_last(&node, &topics[2], "\"after\"").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        _ = skip_to(&mut events, |event| publication(event).filter(|heard| data(heard) == "\"after\"")) => {}
        () = publishing => {}
    }
    let slot = slot_of(&format!("t:{}", topics[2]));
    assert_eq!(cluster.owner(slot).await.expect("an owner"), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_under_sentinels_is_followed_and_what_it_lost_is_a_fork() {
    let mut redis = RedisSentinel::start().await.expect("a master and a replica");
    let node = open(redis.url(), &Registry::new());
    until(&node, |link| *link == Link::Up).await;
    let mut events = node.broker.events().expect("first");
    let chat = topic("chat:a");
    attach(&node, &chat).await;
    let kept = *publish_numbers(&node, &chat, 3).await.last().expect("three");
    redis.in_step(1).await.expect("in step");
    redis.cut_off(1).await.expect("cut off");
    let lost = *publish_numbers(&node, &chat, 2).await.last().expect("two");
    assert_eq!(lost.offset, 5);

    redis.server_mut(0).kill();
    redis.server(1).resume().expect("resumed");
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Down).then_some(())
    })
    .await;
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Up).then_some(())
    })
    .await;
    until(&node, |link| *link == Link::Up).await;
    let position = top(&node, &chat).await;
    assert_eq!((position.epoch, position.offset), (kept.epoch, 3));
    assert_eq!(
        read(&node, &chat, From::After(lost.into())).await.lost,
        Some(Lost::Fork)
    );

    // Their offsets are used again, and still it shows.
    publish_numbers(&node, &chat, 3).await;
    assert_eq!(top(&node, &chat).await.offset, 6);
    assert_eq!(
        read(&node, &chat, From::After(lost.into())).await.lost,
        Some(Lost::Fork)
    );
    assert_eq!(
        read(&node, &chat, From::After(kept.into()))
            .await
            .publications
            .len(),
        3
    );
    assert_eq!(data(&*skip_to(&mut events, publication).await), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_replaced_while_it_lives_is_left() {
    let redis = RedisSentinel::start().await.expect("a master and a replica");
    let node = open(redis.url(), &Registry::new());
    until(&node, |link| *link == Link::Up).await;
    let mut events = node.broker.events().expect("first");
    let chat = topic("chat:a");
    attach(&node, &chat).await;
    publish(&node, &chat, "1").await;
    assert_eq!(redis.fail_over().await.expect("a failover"), 1);
    let trying = async {
        loop {
            publish_at_last(&node, &chat, "\"new\"").await;
            let there = redis.server(1).command(&["EXISTS", "tg:{t:chat:a}:log"]).await;
            let clients = redis
                .server(1)
                .command(&["PUBSUB", "SHARDNUMSUB", "tg:{t:chat:a}:ch"])
                .await;
            let heard = clients.expect("answer").items()[1].integer();
            if there.expect("answer").integer() == Some(1) && heard == Some(1) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("followed");
    publish_at_last(&node, &chat, "\"last\"").await;
    skip_to(&mut events, |event| {
        publication(event).filter(|heard| data(heard) == "\"last\"")
    })
    .await;
}
