//! Redis goes away, hangs, forgets, cuts connections, goes deaf.

use std::time::{Duration, Instant};

use prometheus::Registry;
use tidegate_shared::broker::{BrokerError, BrokerEvent, From, Link};
use tidegate_shared::testing::RedisServer;

use super::proxy::Proxy;
use super::{data, next, node, open, publication, raw, skip_to, start, until};
use crate::contract::broker::{attach, draft, publish, publish_numbers, read, top, topic};

/// "At once": far less than any timeout, on a busy machine too.
const AT_ONCE: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_what_is_published_is_heard_again_and_the_epoch_is_new() {
    let mut server = start().await;
    let node = node(&server).await;
    let mut events = node.broker.events().expect("first");
    let (chat, fire, bare) = (topic("chat:a"), topic("fire:a"), topic("bare:a"));
    for one in [&chat, &fire, &bare] {
        attach(&node, one).await;
    }
    let before = publish(&node, &chat, "1").await.position.expect("a log");
    skip_to(&mut events, publication).await;

    server.kill();
    assert!(matches!(next(&mut events).await, BrokerEvent::Down));
    until(&node, |link| *link == Link::Down).await;
    let asked = Instant::now();
    let refused = node.broker.publish(&chat, draft("2")).await;
    assert!(matches!(refused, Err(BrokerError::Unavailable(_))), "{refused:?}");
    let refused = node.broker.attach(&topic("chat:b")).await;
    assert!(matches!(refused, Err(BrokerError::Unavailable(_))), "{refused:?}");
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());

    server.restart().await.expect("restarted");
    assert!(matches!(next(&mut events).await, BrokerEvent::Up));
    until(&node, |link| *link == Link::Up).await;
    for one in [&chat, &fire, &bare] {
        publish(&node, one, "3").await;
        let heard = skip_to(&mut events, publication).await;
        assert_eq!((&heard.topic, data(&heard)), (one, "3".to_owned()));
    }
    assert_ne!(top(&node, &chat).await.epoch, before.epoch);
    assert!(
        read(&node, &chat, From::After(before.into()))
            .await
            .lost
            .is_some(),
        "what was seen does not lead on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_detached_while_redis_is_away_stays_detached() {
    let mut server = start().await;
    let node = node(&server).await;
    let mut events = node.broker.events().expect("first");
    let (gone, kept) = (topic("chat:gone"), topic("chat:kept"));
    attach(&node, &gone).await;
    attach(&node, &kept).await;
    server.kill();
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Down).then_some(())
    })
    .await;
    node.broker.detach(&gone).await.expect("detached");
    server.restart().await.expect("restarted");
    until(&node, |link| *link == Link::Up).await;
    publish(&node, &gone, "1").await;
    publish(&node, &kept, "2").await;
    assert_eq!(data(&*skip_to(&mut events, publication).await), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_when_redis_dies_fail_at_once() {
    let mut server = start().await;
    let node = node(&server).await;
    let chat = topic("chat:a");
    server.pause().expect("paused");
    let publishing = tokio::spawn({
        let (node, chat) = (node.clone(), chat.clone());
        async move { node.broker.publish(&chat, draft("1")).await }
    });
    let attaching = tokio::spawn({
        let (node, chat) = (node.clone(), chat.clone());
        async move { node.broker.attach(&chat).await }
    });
    tokio::task::yield_now().await;
    server.kill();
    let killed = Instant::now();
    let published = publishing.await.expect("no panic");
    let attached = attaching.await.expect("no panic");
    assert!(
        matches!(published, Err(BrokerError::Unavailable(_))),
        "{published:?}"
    );
    assert!(
        matches!(attached, Err(BrokerError::Unavailable(_))),
        "{attached:?}"
    );
    assert!(killed.elapsed() < AT_ONCE, "{:?}", killed.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_down_until_it_answers_again() {
    let server = start().await;
    let node = node(&server).await;
    let mut events = node.broker.events().expect("first");
    let chat = topic("chat:a");
    attach(&node, &chat).await;
    let before = publish(&node, &chat, "1").await.position.expect("a log");
    skip_to(&mut events, publication).await;

    server.pause().expect("paused");
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Down).then_some(())
    })
    .await;
    until(&node, |link| *link == Link::Down).await;
    assert!(node.broker.publish(&chat, draft("2")).await.is_err());

    server.resume().expect("resumed");
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Up).then_some(())
    })
    .await;
    until(&node, |link| *link == Link::Up).await;
    let after = publish(&node, &chat, "3").await.position.expect("a log");
    assert_eq!(after.epoch, before.epoch, "nothing was lost");
    assert_eq!(data(&*skip_to(&mut events, publication).await), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_redis_forgot_are_sent_again() {
    let server = start().await;
    let node = node(&server).await;
    let chat = topic("chat:a");
    publish(&node, &chat, "1").await;
    raw(&server, &["SCRIPT", "FLUSH"]).await;
    let published = publish(&node, &chat, "2").await;
    assert_eq!(published.position.map(|position| position.offset), Some(2));
    raw(&server, &["SCRIPT", "FLUSH"]).await;
    assert_eq!(top(&node, &chat).await.offset, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_started_before_redis_serves_once_redis_is_there() {
    let mut server = RedisServer::absent(&[]).expect("a free port");
    let registry = Registry::new();
    let node = open(server.url(), &registry);
    let mut events = node.broker.events().expect("first");
    let chat = topic("chat:a");
    let asked = Instant::now();
    let refused = node.broker.publish(&chat, draft("1")).await;
    assert!(matches!(refused, Err(BrokerError::Unavailable(_))), "{refused:?}");
    let refused = node.broker.attach(&chat).await;
    assert!(matches!(refused, Err(BrokerError::Unavailable(_))), "{refused:?}");
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    assert_eq!(*node.broker.link().borrow(), Link::Connecting);

    server.restart().await.expect("started");
    until(&node, |link| *link == Link::Up).await;
    assert!(matches!(next(&mut events).await, BrokerEvent::Up));
    attach(&node, &chat).await;
    publish(&node, &chat, "2").await;
    assert_eq!(data(&*skip_to(&mut events, publication).await), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_redis_cut_off_hears_again_and_publishing_goes_on() {
    let server = start().await;
    let node = node(&server).await;
    let mut events = node.broker.events().expect("first");
    let chat = topic("chat:a");
    attach(&node, &chat).await;
    raw(&server, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    publish_numbers(&node, &chat, 10).await;
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Down).then_some(())
    })
    .await;
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Up).then_some(())
    })
    .await;
    publish(&node, &chat, "11").await;
    // It may hear again so soon that some of the ten come first.
    skip_to(&mut events, |event| {
        publication(event).filter(|heard| data(heard) == "11")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_answers_but_hears_nothing_is_replaced() {
    let server = start().await;
    let proxy = Proxy::start(server.port()).await;
    let node = open(proxy.url(), &Registry::new());
    until(&node, |link| *link == Link::Up).await;
    let mut events = node.broker.events().expect("first");
    let chat = topic("chat:a");
    attach(&node, &chat).await;
    proxy.deafen(true);
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Down).then_some(())
    })
    .await;
    proxy.deafen(false);
    skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Up).then_some(())
    })
    .await;
    publish(&node, &chat, "1").await;
    assert_eq!(data(&*skip_to(&mut events, publication).await), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_backend_closes_its_connections() {
    let server = start().await;
    let node = node(&server).await;
    attach(&node, &topic("chat:a")).await;
    drop(node);
    let clients = async || {
        raw(&server, &["CLIENT", "LIST"])
            .await
            .to_string()
            .lines()
            .count()
    };
    crate::contract::eventually("the connections are closed", async || {
        (clients().await == 1).then_some(())
    })
    .await;
}
